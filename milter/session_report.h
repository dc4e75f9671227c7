/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a verdict: the result object, the evidence, the post, the SMTP answer, the log line.
 */
#ifndef SESSION_REPORT_H
#define SESSION_REPORT_H

#include "session_internal.h"

/* Memory ran out for this mail: the log and the counter. */
void session_report_no_memory(const struct session *s);
void session_report_put_off(struct session_outcome *outcome, const char *enhanced, const char *text);
/* The SMTP answer that an answer of the ACME server to a passing reply means. */
void session_report_map_answer(const struct endpoint_answer *got, struct session_outcome *outcome);
void session_report_fill_record(struct session *s);
/* Makes the id and, where anybody reads it, the result object; false: out of memory. */
bool session_report_encode(struct session *s);
/* Evidence, post and the SMTP answer. is_judged: false after a failure of ours. */
void session_report_deliver(struct session *s, bool is_judged, void (*progress)(void *context), void *context,
                            struct session_outcome *outcome);
void session_report_count(const struct session *s);
void session_report_log(const struct session *s, const struct session_outcome *outcome);

#endif
