/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of rules (contract section 6). Add a rule by adding a row to findings.def: the manual, the SMTP
 * answers, the log, the metrics and the tests follow from it.
 */
#ifndef FINDINGS_H
#define FINDINGS_H

#include "auth_facts.h"
#include "strbuf.h"

enum severity {
    SEVERITY_UNSET = 0, /* treated as reject */
    SEVERITY_REJECT,
    SEVERITY_TEMPORARY,
    SEVERITY_NOTE,
};
extern const struct name_table_row severity_names[];

enum policy {
    POLICY_RFC8823 = 1,
    POLICY_INTEROP,
    POLICY_STRICT,
};
extern const struct name_table_row policy_names[];

enum finding_id {
    FINDING_NONE = 0,
#define FINDING(name, ...) FINDING_##name,
#include "findings.def"
#undef FINDING
    FINDING_END,
};

struct finding_rule {
    enum finding_id id;
    const char *name; /* "dkim-none" */
    enum severity severity[POLICY_STRICT + 1];
    bool may_change; /* OnFinding may set it to reject or note */
    int code;        /* SMTP reply code, 0 for one that is never an answer */
    const char *enhanced;
    const char *text;      /* what the applicant reads, without the name in brackets */
    const char *reference; /* where the rule comes from */
};

/* Never NULL for FINDING_NONE < id < FINDING_END. */
const struct finding_rule *finding_rule(enum finding_id id);
bool finding_from_name(struct span name, enum finding_id *id);

/* A policy with its overrides: the severity of each row. */
struct finding_policy {
    enum severity severity[FINDING_END];
};

void finding_policy_init(struct finding_policy *p, enum policy base);
/* False if the row may not be changed. */
bool finding_policy_override(struct finding_policy *p, enum finding_id id, enum severity severity);

enum { FINDING_DETAIL_MAX_BYTES = 160, FINDING_LIST_MAX = 64 };

struct finding {
    enum finding_id id;
    const char *text; /* what the applicant reads: of its rule, but for the one below */
    char detail[FINDING_DETAIL_MAX_BYTES + 1]; /* printable ASCII */
};

/* What the checks found, in table order. The same id may stand more than once with different details. */
struct finding_list {
    struct finding items[FINDING_LIST_MAX];
    size_t count;
};

/* detail: escaped and cut; NULL for none. A finding that does not fit any more is dropped: the first
 * FINDING_END always fit. */
void finding_list_add(struct finding_list *list, enum finding_id id, const char *detail);
/* detail: printable ASCII already, and kept as it is. */
void finding_list_add_escaped(struct finding_list *list, enum finding_id id, const char *detail);
/* dnssec-none where nobody looked: the applicant's zone is not blamed for it. */
void finding_list_add_unvalidated(struct finding_list *list, const char *name);

/* dkim-fail, if it is there: the applicant is not blamed for what the CA's own mail system may have done. */
void finding_list_suspect_receiver(struct finding_list *list);

/* The SMTP text of the first finding with this id, or of its rule: "text [name]". list may be NULL. */
bool finding_list_append_text(const struct finding_list *list, enum finding_id id, struct strbuf *out);
bool finding_list_has(const struct finding_list *list, enum finding_id id);

#endif
