/* SPDX-License-Identifier: BSD-2-Clause */
#include "auth_facts.h"

const struct name_table_row auth_result_names[] = {
    {AUTH_RESULT_NONE, "none"},           {AUTH_RESULT_PASS, "pass"},
    {AUTH_RESULT_FAIL, "fail"},           {AUTH_RESULT_NEUTRAL, "neutral"},
    {AUTH_RESULT_POLICY, "policy"},       {AUTH_RESULT_TEMPERROR, "temperror"},
    {AUTH_RESULT_PERMERROR, "permerror"}, {0, NULL},
};

const struct name_table_row dnssec_status_names[] = {
    {DNSSEC_STATUS_UNKNOWN, "unknown"},
    {DNSSEC_STATUS_SECURE, "secure"},
    {DNSSEC_STATUS_INSECURE, "insecure"},
    {DNSSEC_STATUS_BOGUS, "bogus"},
    {0, NULL},
};

const struct name_table_row auth_policy_names[] = {
    {AUTH_POLICY_NONE, "none"},
    {AUTH_POLICY_QUARANTINE, "quarantine"},
    {AUTH_POLICY_REJECT, "reject"},
    {0, NULL},
};

const struct name_table_row auth_lookup_names[] = {
    {AUTH_LOOKUP_FOUND, "found"},
    {AUTH_LOOKUP_ABSENT, "absent"},
    {AUTH_LOOKUP_FAILED, "failed"},
    {AUTH_LOOKUP_BOGUS, "bogus"},
    {0, NULL},
};
