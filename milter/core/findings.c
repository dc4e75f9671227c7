/* SPDX-License-Identifier: BSD-2-Clause */
#include "findings.h"

#include <stdio.h>
#include <string.h>

const struct name_table_row severity_names[] = {
    {SEVERITY_REJECT, "reject"},
    {SEVERITY_TEMPORARY, "temporary"},
    {SEVERITY_NOTE, "note"},
    {0, NULL},
};

const struct name_table_row policy_names[] = {
    {POLICY_RFC8823, "rfc8823"},
    {POLICY_INTEROP, "interop"},
    {POLICY_STRICT, "strict"},
    {0, NULL},
};

#define R   SEVERITY_REJECT
#define N   SEVERITY_NOTE
#define T   SEVERITY_TEMPORARY
#define YES true
#define NO  false

static const struct finding_rule rules[FINDING_END] = {
#define FINDING(id, word, rfc8823, interop, strict, may_change, code, enhanced, text, reference)             \
    [FINDING_##id] = {FINDING_##id, word,     {0, rfc8823, interop, strict}, may_change, code, enhanced,     \
                      text,         reference},
#include "findings.def"
#undef FINDING
};

const struct finding_rule *finding_rule(enum finding_id id)
{
    return &rules[id];
}

bool finding_from_name(struct span name, enum finding_id *id)
{
    for (int i = FINDING_NONE + 1; i < FINDING_END; i++) {
        if (span_equal_nocase(span_from_string(rules[i].name), name)) {
            *id = (enum finding_id)i;
            return true;
        }
    }
    return false;
}

void finding_policy_init(struct finding_policy *p, enum policy base)
{
    for (int i = 0; i < FINDING_END; i++)
        p->severity[i] = rules[i].severity[base];
}

bool finding_policy_override(struct finding_policy *p, enum finding_id id, enum severity severity)
{
    if (!rules[id].may_change)
        return p->severity[id] == severity;
    p->severity[id] = severity;
    return true;
}

static void insert(struct finding_list *list, const struct finding *added)
{
    size_t at = list->count;
    while (at > 0 && list->items[at - 1].id > added->id)
        at--;
    for (size_t i = at; i > 0 && list->items[i - 1].id == added->id; i--)
        if (strcmp(list->items[i - 1].detail, added->detail) == 0)
            return;
    if (list->count == FINDING_LIST_MAX)
        return;
    memmove(&list->items[at + 1], &list->items[at], (list->count - at) * sizeof list->items[0]);
    list->items[at] = *added;
    list->count++;
}

void finding_list_add(struct finding_list *list, enum finding_id id, const char *detail)
{
    struct finding added = {.id = id, .text = rules[id].text};
    span_copy_escaped(span_from_string(detail), added.detail, sizeof added.detail);
    insert(list, &added);
}

void finding_list_add_escaped(struct finding_list *list, enum finding_id id, const char *detail)
{
    struct finding added = {.id = id, .text = rules[id].text};
    (void)snprintf(added.detail, sizeof added.detail, "%s", detail);
    insert(list, &added);
}

void finding_list_add_unvalidated(struct finding_list *list, const char *name)
{
    struct finding added = {
        .id = FINDING_DNSSEC_NONE,
        .text =
            "This server validates no DNS answers, so it cannot tell whether the DNS zone of your domain is "
            "signed with DNSSEC. Your mail is not at fault: tell the certificate authority.",
    };
    (void)snprintf(added.detail, sizeof added.detail, "%.140s: not validated", name);
    insert(list, &added);
}

void finding_list_suspect_receiver(struct finding_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].id == FINDING_DKIM_FAIL)
            list->items[i].text =
                "The DKIM signature of your domain does not verify here. The mail system of the certificate "
                "authority may have changed the mail on its way: tell the certificate authority, and send it "
                "this text.";
}

static const struct finding *find(const struct finding_list *list, enum finding_id id)
{
    for (size_t i = 0; list != NULL && i < list->count; i++)
        if (list->items[i].id == id)
            return &list->items[i];
    return NULL;
}

bool finding_list_append_text(const struct finding_list *list, enum finding_id id, struct strbuf *out)
{
    const struct finding *f = find(list, id);
    return strbuf_append_format(out, "%s [%s]", f != NULL ? f->text : rules[id].text, rules[id].name);
}

bool finding_list_has(const struct finding_list *list, enum finding_id id)
{
    return find(list, id) != NULL;
}
