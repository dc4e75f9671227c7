/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_subject.h"

#include <string.h>

#include "base64.h"
#include "encoded_word.h"

enum { TOKEN_MIN_BYTES = 2, TOKEN_WORD_BYTES = 8, TOKEN_SURE_BYTES = 22, BITS_PER_CHARACTER = 6 };

/* What stands behind a label. */
enum find {
    FIND_NOTHING = 0,
    FIND_WORD, /* a token so short that it may be a word of the sender's */
    FIND_TOKEN,
    FIND_TOKEN_AND_MORE, /* 128 bits or more, and then, or with 8-bit blanks in it, something else */
};

static const char *const no_token = "no ACME: followed by a token";

static bool is_removed(char c)
{
    return byte_is_blank(c) || c == '\r' || c == '\n';
}

/* A label begins the subject or stands behind something that is no letter and no digit: "XACME:" is none. */
static size_t find_label(struct span text, size_t from)
{
    const struct span label = SPAN_LITERAL("ACME:");
    size_t at = span_find(text, from, label);
    while (at < text.len && at > 0 && byte_is_alnum(text.data[at - 1]))
        at = span_find(text, at + 1, label);
    return at;
}

/* Padding is right where it is complete or absent. A length that no encoder makes is left to the ACME server.
 */
static bool is_padding_right(size_t characters, size_t padding)
{
    return padding == 0 || (padding <= 2 && (characters + padding) % 4 == 0);
}

static enum find judge_length(bool is_token, size_t characters)
{
    if (is_token && characters >= TOKEN_MIN_BYTES)
        return characters >= TOKEN_WORD_BYTES ? FIND_TOKEN : FIND_WORD;
    return characters >= TOKEN_SURE_BYTES ? FIND_TOKEN_AND_MORE : FIND_NOTHING;
}

/*
 * The text behind a label, white space removed, must be a token and nothing else: white space inside the
 * token is ignored (RFC 8823 section 3.1 (1)), so that nothing behind it could be told from it.
 */
static enum find read_token(struct span text, struct reply_subject *out)
{
    size_t len = 0;
    size_t padding = 0;
    bool is_whole = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (is_removed(c))
            continue;
        bool is_in_token = c == '=' || (padding == 0 && base64_is_url_byte(c));
        is_whole = is_whole && is_in_token && len < REPLY_TOKEN_MAX_BYTES;
        if ((!is_in_token && (unsigned char)c < 0x80) || len == REPLY_TOKEN_MAX_BYTES)
            break;
        if (is_in_token)
            out->token[len++] = c;
        padding += c == '=';
    }
    out->token[len] = '\0';
    size_t characters = strcspn(out->token, "=");
    out->token_bits = (unsigned)(characters * BITS_PER_CHARACTER / 8 * 8);
    return judge_length(is_whole && is_padding_right(characters, padding), characters);
}

/* What was found behind the labels so far. */
struct labels {
    struct reply_subject token;
    struct reply_subject word;
    char other[REPLY_TOKEN_MAX_BYTES + 1]; /* with more behind */
    bool are_words_different;
};

/* False: another token than one before. */
static bool add_label(struct labels *labels, const struct reply_subject *one, enum find find)
{
    if (find == FIND_NOTHING)
        return true;
    if (find == FIND_WORD) {
        labels->are_words_different =
            labels->are_words_different ||
            (labels->word.token[0] != '\0' && strcmp(one->token, labels->word.token) != 0);
        labels->word = *one;
        return true;
    }
    const char *earlier = labels->other[0] != '\0' ? labels->other : labels->token.token;
    if (earlier[0] != '\0' && strcmp(one->token, earlier) != 0)
        return false;
    if (find == FIND_TOKEN)
        labels->token = *one;
    else
        memcpy(labels->other, one->token, sizeof labels->other);
    return true;
}

/*
 * Looks at every label: the last that is followed by a token counts, and all that are must agree. A token
 * with more behind it counts for nothing, but another reader might take it. A word counts where nothing
 * longer stands behind any label.
 */
static enum outcome read_labels(struct span text, struct reply_subject *out, const char **why)
{
    struct labels labels = {.are_words_different = false};
    bool is_one = true;
    for (size_t at = find_label(text, 0); at < text.len && is_one; at = find_label(text, at + 1)) {
        size_t from = at + strlen("ACME:");
        struct reply_subject one = {.token = ""};
        enum find find = read_token(span_slice(text, from, find_label(text, from)), &one);
        is_one = add_label(&labels, &one, find);
    }
    bool is_word = labels.token.token[0] == '\0' && labels.other[0] == '\0';
    struct reply_subject *found = is_word ? &labels.word : &labels.token;
    *why = "several ACME: labels with different tokens";
    if (!is_one || (is_word && labels.are_words_different))
        return OUTCOME_BROKEN_INPUT;
    *why = no_token;
    if (found->token[0] == '\0')
        return OUTCOME_ABSENT;
    found->has_foreign_charset = out->has_foreign_charset;
    *out = *found;
    return OUTCOME_OK;
}

enum outcome reply_subject_parse(struct span field_body, struct reply_subject *out, const char **why)
{
    struct strbuf text;
    memset(out, 0, sizeof *out);
    *why = "subject too long";
    if (field_body.len > REPLY_SUBJECT_MAX_BYTES)
        return OUTCOME_ABSENT;
    strbuf_init(&text, 4 * REPLY_SUBJECT_MAX_BYTES);
    enum outcome outcome = encoded_word_decode(field_body, &text, &out->has_foreign_charset);
    if (outcome == OUTCOME_OK)
        outcome = read_labels(strbuf_view(&text), out, why);
    if (outcome != OUTCOME_OK) {
        out->token[0] = '\0';
        out->token_bits = 0;
    }
    strbuf_clear(&text);
    return outcome;
}
