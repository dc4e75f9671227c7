/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts and policy to a verdict. Pure: no clock, no I/O, no allocation; the same input gives the same answer.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "findings.h"
#include "reply_form.h"

enum verdict {
    VERDICT_UNSET = 0,
    VERDICT_REJECT,
    VERDICT_TEMPERROR,
    VERDICT_PASS,
};
extern const struct name_table_row verdict_names[];

struct verdict_decision {
    enum verdict verdict;
    enum finding_id reason; /* FINDING_NONE on pass */
};

/* Whether the findings so far already mean reject: then neither DNS nor RSA is worth asking. */
bool verdict_is_rejected(const struct finding_list *findings, const struct finding_policy *policy);

/* Whatever is made a note: it verifies, and signs the digest as well. */
bool verdict_is_relied_on(const struct auth_signature *s);

/* The signature that the verdict is best rested on, or -1: aligned ones only. */
int verdict_choose_signature(const struct auth_dkim_facts *dkim, const struct finding_policy *policy);

/* Adds what DKIM and DMARC gave. chosen: from verdict_choose_signature. */
void verdict_add_dkim(const struct auth_dkim_facts *dkim, int chosen, struct finding_list *findings);
void verdict_add_dmarc(const struct auth_dmarc_facts *dmarc, struct finding_list *findings);

/*
 * Any reject: reject, with the first in table order as reason; else any temporary one: temperror; else pass,
 * but only with an author, a token, a digest and a signature of the author's domain that the facts themselves
 * show to be one to rely on: verified, whole body, From and Subject covered, algorithm, key known, long
 * enough and not weak, and no fault that policy does not make a note. Should one lack without a finding (a
 * fault of ours), it is a temperror without reason.
 */
struct verdict_decision verdict_decide(const struct finding_list *findings,
                                       const struct finding_policy *policy, const struct reply_form *form,
                                       const struct auth_signature *chosen);

#endif
