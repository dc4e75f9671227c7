/* SPDX-License-Identifier: BSD-2-Clause */
#include "challenge_mail.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "base64.h"
#include "clock.h"
#include "utf8.h"

enum { ID_RANDOM_BYTES = 18 };

bool challenge_mail_set_address(char out[static CHALLENGE_MAIL_ADDRESS_SIZE], const char *text)
{
    struct mailbox mailbox;
    if (mailbox_parse_address(span_from_string(text), &mailbox) != OUTCOME_OK)
        return false;
    mailbox_format(&mailbox, out);
    return true;
}

static size_t token_bytes(const char *token)
{
    return strlen(token) * 6 / 8;
}

bool challenge_mail_set_token(struct challenge_mail *mail, const char *text, const char **why)
{
    struct strbuf decoded;
    size_t len = strlen(text);
    if (strchr(text, '=') != NULL) {
        *why = "padding: write the token without \"=\"";
        return false;
    }
    if (len > CHALLENGE_MAIL_TOKEN_MAX_CHARS || token_bytes(text) < CHALLENGE_MAIL_TOKEN_MIN_BYTES) {
        *why = "not 128 to 384 bits: 22 to 64 base64url characters are wanted";
        return false;
    }
    strbuf_init(&decoded, CHALLENGE_MAIL_TOKEN_MAX_BYTES);
    enum outcome outcome = base64_decode(span_from_string(text), BASE64_ALPHABET_URL, &decoded);
    strbuf_clear(&decoded);
    if (outcome != OUTCOME_OK) {
        *why = "not base64url (RFC 4648 section 5)";
        return false;
    }
    memcpy(mail->token, text, len + 1);
    return true;
}

bool challenge_mail_token_is_portable(const struct challenge_mail *mail)
{
    return token_bytes(mail->token) % 3 == 0;
}

bool challenge_mail_is_ascii(const struct challenge_mail *mail)
{
    const char *const texts[] = {mail->from, mail->to, mail->reply_to};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct span text = span_from_string(texts[i]);
        if (utf8_skip_printable(text, 0) != text.len)
            return false;
    }
    return true;
}

/* size: room in out, which gets base64url and a NUL. */
static bool random_text(size_t bytes, char *out, size_t size)
{
    unsigned char random[CHALLENGE_MAIL_TOKEN_BYTES];
    struct strbuf text;
    if (bytes > sizeof random || RAND_bytes(random, (int)bytes) != 1)
        return false;
    strbuf_init(&text, size - 1);
    bool is_good = base64_append_url(&text, (struct span){(const char *)random, bytes});
    if (is_good)
        memcpy(out, strbuf_string(&text), text.len + 1);
    strbuf_clear(&text);
    return is_good;
}

/* RFC 5322 section 3.3, in UTC. */
static bool set_date(struct challenge_mail *mail)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)mail->created;
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        return false;
    int len =
        snprintf(mail->date, sizeof mail->date, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday],
                 tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return len > 0 && (size_t)len < sizeof mail->date;
}

bool challenge_mail_complete(struct challenge_mail *mail)
{
    char id[ID_RANDOM_BYTES * 2];
    if (mail->token[0] == '\0' && !random_text(CHALLENGE_MAIL_TOKEN_BYTES, mail->token, sizeof mail->token))
        return false;
    if (!random_text(ID_RANDOM_BYTES, id, sizeof id))
        return false;
    /* The last "@": a quoted local part may hold another. */
    int len = snprintf(mail->message_id, sizeof mail->message_id, "<%s%s>", id, strrchr(mail->from, '@'));
    mail->created = clock_wall_seconds(0);
    return len > 0 && (size_t)len < sizeof mail->message_id && set_date(mail);
}

static bool append_field(struct strbuf *out, const char *name, const char *value)
{
    return strbuf_append_format(out, "%s: %s\r\n", name, value);
}

bool challenge_mail_append_fields(const struct challenge_mail *mail, struct strbuf *out)
{
    /* Bare addresses and no folding: clients compare both fields as text (RFC 8823 section 3.1 (1) to (5)).
     */
    return append_field(out, "From", mail->from) && append_field(out, "To", mail->to) &&
           (mail->reply_to[0] == '\0' || append_field(out, "Reply-To", mail->reply_to)) &&
           strbuf_append_format(out, "Subject: ACME: %s\r\n", mail->token) &&
           append_field(out, "Date", mail->date) && append_field(out, "Message-ID", mail->message_id) &&
           append_field(out, "Auto-Submitted", "auto-generated; type=acme");
}

/*
 * The response block is described, not drawn: mail programs quote this text in the reply, some of them
 * without marks, and a server must not find a second block there.
 */
static const char text_head[] = "Somebody, we hope you, has asked for an S/MIME certificate for\r\n"
                                "\r\n"
                                "    %s\r\n"
                                "\r\n";
static const char text_body[] =
    "If it was not you, do nothing. Without your answer there is no certificate.\r\n"
    "\r\n"
    "If it was you, and your mail program does not answer by itself:\r\n"
    "\r\n"
    "1. Your ACME client shows a few lines to answer with. The first of them says\r\n"
    "   BEGIN ACME RESPONSE with five hyphens on either side, the last one says\r\n"
    "   END ACME RESPONSE in the same way, and what stands between them is a code\r\n"
    "   of 43 letters, digits, hyphens and underscores. Copy all of these lines.\r\n"
    "2. Reply to this message from the address above, as plain text, not as HTML.\r\n"
    "3. Paste the lines above anything that your mail program quotes, each on a\r\n"
    "   line of its own, and change nothing in them.\r\n"
    "4. Leave the subject and the recipient as they are. Do not encrypt the reply,\r\n"
    "   and do not attach anything. What else you write is ignored.\r\n"
    "5. Send it once. The code is good for this message only, and not for long.\r\n"
    "\r\n"
    "Do not forward this message: its subject is half of a secret.\r\n";

bool challenge_mail_append_text(const struct challenge_mail *mail, const char *parameters, struct strbuf *out)
{
    /* Text in US-ASCII needs no encoding, which a gateway could undo; so an address that is not stays out. */
    const char *address =
        challenge_mail_is_ascii(mail) ? mail->to : "the address that this message was sent to";
    return strbuf_append_string(out, "MIME-Version: 1.0\r\n") &&
           strbuf_append_format(out, "Content-Type: text/plain; charset=us-ascii%s\r\n", parameters) &&
           strbuf_append_string(out, "Content-Transfer-Encoding: 7bit\r\n\r\n") &&
           strbuf_append_format(out, text_head, address) && strbuf_append_string(out, text_body);
}
