/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy_record.h"

enum { TAGS_MAX = 64, PERCENT_MAX = 100 };

enum tag_kind {
    TAG_KIND_UNKNOWN = 0,
    TAG_KIND_V,
    TAG_KIND_P,
    TAG_KIND_SP,
    TAG_KIND_NP,
    TAG_KIND_ADKIM,
    TAG_KIND_ASPF,
    TAG_KIND_PSD,
    TAG_KIND_T,
    TAG_KIND_RUA,
    TAG_KIND_RUF,
    TAG_KIND_FO,
    TAG_KIND_PCT,
    TAG_KIND_RF,
    TAG_KIND_RI,
    TAG_KIND_END,
};

static const struct name_table_row tag_names[] = {
    {TAG_KIND_V, "v"},     {TAG_KIND_P, "p"},         {TAG_KIND_SP, "sp"},
    {TAG_KIND_NP, "np"},   {TAG_KIND_ADKIM, "adkim"}, {TAG_KIND_ASPF, "aspf"},
    {TAG_KIND_PSD, "psd"}, {TAG_KIND_T, "t"},         {TAG_KIND_RUA, "rua"},
    {TAG_KIND_RUF, "ruf"}, {TAG_KIND_FO, "fo"},       {TAG_KIND_PCT, "pct"},
    {TAG_KIND_RF, "rf"},   {TAG_KIND_RI, "ri"},       {0, NULL},
};

static const struct name_table_row policy_names[] = {
    {AUTH_POLICY_NONE, "none"},
    {AUTH_POLICY_QUARANTINE, "quarantine"},
    {AUTH_POLICY_REJECT, "reject"},
    {0, NULL},
};

static const struct name_table_row psd_names[] = {
    {POLICY_RECORD_PSD_UNSET, "u"},
    {POLICY_RECORD_PSD_NO, "n"},
    {POLICY_RECORD_PSD_YES, "y"},
    {0, NULL},
};

/* What has been read so far. */
struct reading {
    struct policy_record *record;
    unsigned seen; /* a bit for each tag_kind */
    size_t tags;
    bool has_bad_policy; /* a p, sp or np of no known value */
    bool has_report_uri;
    const char *why; /* what breaks the record */
};

static struct span trim_blanks(struct span s)
{
    while (s.len > 0 && byte_is_blank(s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && byte_is_blank(s.data[0]))
        s = span_slice(s, 1, s.len);
    return s;
}

/* dmarc-value of RFC 9989 section 4.8; the separator cannot be in it any more. */
static bool is_value(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return text.len > 0;
}

static bool is_scheme(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!byte_is_alnum(text.data[i]) && text.data[i] != '+' && text.data[i] != '-' && text.data[i] != '.')
            return false;
    return text.len > 0 && byte_is_alpha(text.data[0]);
}

/* The bytes of RFC 3986. */
static bool is_uri_rest(struct span text)
{
    const struct span excluded = SPAN_LITERAL(" \"<>\\^`{|}");
    for (size_t i = 0; i < text.len; i++)
        if (span_find_byte(excluded, 0, text.data[i]) < excluded.len)
            return false;
    return is_value(text);
}

/* Behind the URI RFC 7489 allowed "!" and a size. */
static bool is_report_uri(struct span text)
{
    text = trim_blanks(text);
    text = span_slice(text, 0, span_find_byte(text, 0, '!'));
    size_t colon = span_find_byte(text, 0, ':');
    struct span scheme = span_slice(text, 0, colon), rest = span_slice(text, colon + 1, text.len);
    if (!is_scheme(scheme) || !is_uri_rest(rest))
        return false;
    size_t at = span_find_byte(rest, 0, '@');
    return !span_equal_nocase(scheme, SPAN_LITERAL("mailto")) || (at > 0 && at + 1 < rest.len);
}

static bool has_report_uri(struct span list)
{
    size_t at = 0;
    while (at < list.len) {
        size_t comma = span_find_byte(list, at, ',');
        if (is_report_uri(span_slice(list, at, comma)))
            return true;
        at = comma + 1;
    }
    return false;
}

static void read_policy(struct reading *r, struct span value, enum auth_policy *out)
{
    int found = AUTH_POLICY_UNKNOWN;
    if (!name_table_value(policy_names, value, &found))
        r->has_bad_policy = true;
    *out = (enum auth_policy)found;
}

static bool is_percent_below_all(struct span value)
{
    unsigned percent = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!byte_is_digit(value.data[i]) || percent > PERCENT_MAX)
            return false;
        percent = percent * 10 + (unsigned)(value.data[i] - '0');
    }
    return value.len > 0 && percent < PERCENT_MAX;
}

static void read_p(struct reading *r, struct span value)
{
    read_policy(r, value, &r->record->policy);
}

static void read_sp(struct reading *r, struct span value)
{
    read_policy(r, value, &r->record->subdomain_policy);
}

static void read_np(struct reading *r, struct span value)
{
    enum auth_policy absent_policy;
    read_policy(r, value, &absent_policy);
}

static void read_adkim(struct reading *r, struct span value)
{
    r->record->is_strict = span_equal_nocase(value, SPAN_LITERAL("s"));
}

static void read_psd(struct reading *r, struct span value)
{
    int psd;
    if (name_table_value(psd_names, value, &psd))
        r->record->psd = (enum policy_record_psd)psd;
}

static void read_t(struct reading *r, struct span value)
{
    r->record->is_testing = span_equal_nocase(value, SPAN_LITERAL("y"));
}

static void read_pct(struct reading *r, struct span value)
{
    r->record->is_partial = is_percent_below_all(value);
}

static void read_rua(struct reading *r, struct span value)
{
    r->has_report_uri = has_report_uri(value);
}

/* A value of no meaning leaves the default (RFC 9989 section 4.7), but for the policies. */
static void (*const tag_readers[TAG_KIND_END])(struct reading *r, struct span value) = {
    [TAG_KIND_P] = read_p,         [TAG_KIND_SP] = read_sp,   [TAG_KIND_NP] = read_np,
    [TAG_KIND_ADKIM] = read_adkim, [TAG_KIND_PSD] = read_psd, [TAG_KIND_T] = read_t,
    [TAG_KIND_PCT] = read_pct,     [TAG_KIND_RUA] = read_rua,
};

static void read_tag(struct reading *r, struct span text)
{
    size_t equals = span_find_byte(text, 0, '=');
    struct span name = trim_blanks(span_slice(text, 0, equals));
    struct span value = trim_blanks(span_slice(text, equals + 1, text.len));
    int kind = TAG_KIND_UNKNOWN;
    if (++r->tags > TAGS_MAX)
        r->why = "too many tags";
    if (equals == text.len || !name_table_value(tag_names, name, &kind))
        return;
    /* RFC 6376 section 3.2: a tag that occurs twice makes the whole list invalid. */
    if ((r->seen & 1u << kind) != 0)
        r->why = "a tag occurs twice";
    r->seen |= 1u << kind;
    if (tag_readers[kind] != NULL)
        tag_readers[kind](r, is_value(value) ? value : (struct span){"", 0});
}

/* RFC 9989 section 4.10.1, RFC 7489 section 6.6.3. */
static void settle_policy(struct reading *r)
{
    struct policy_record *record = r->record;
    if (record->policy != AUTH_POLICY_UNKNOWN && !r->has_bad_policy)
        return;
    if (!r->has_report_uri)
        r->why = (r->seen & 1u << TAG_KIND_P) != 0 ? "an unknown policy" : "no policy";
    record->policy = AUTH_POLICY_NONE;
    record->subdomain_policy = AUTH_POLICY_UNKNOWN;
}

/* "v=DMARC1" first, in exactly this case, and nothing else in its tag. */
static bool is_version(struct span tag)
{
    size_t equals = span_find_byte(tag, 0, '=');
    struct span name = span_slice(tag, 0, equals);
    if (name.len == 0 || byte_is_blank(name.data[0]) ||
        !span_equal_nocase(trim_blanks(name), SPAN_LITERAL("v")))
        return false;
    return span_equal(trim_blanks(span_slice(tag, equals + 1, tag.len)), SPAN_LITERAL("DMARC1"));
}

enum outcome policy_record_parse(struct span text, struct policy_record *out, const char **why)
{
    size_t end = span_find_byte(text, 0, ';');
    *out = (struct policy_record){.policy = AUTH_POLICY_UNKNOWN};
    *why = NULL;
    if (!is_version(span_slice(text, 0, end)))
        return OUTCOME_ABSENT;
    struct reading r = {.record = out, .seen = 1u << TAG_KIND_V};
    while (end < text.len && r.why == NULL) {
        size_t next = span_find_byte(text, end + 1, ';');
        read_tag(&r, span_slice(text, end + 1, next));
        end = next;
    }
    if (r.why == NULL)
        settle_policy(&r);
    *why = r.why;
    return r.why == NULL ? OUTCOME_OK : OUTCOME_BROKEN_INPUT;
}

enum auth_policy policy_record_policy(const struct policy_record *record, bool is_subdomain)
{
    bool has_own = is_subdomain && record->subdomain_policy != AUTH_POLICY_UNKNOWN;
    return has_own ? record->subdomain_policy : record->policy;
}
