# SPDX-License-Identifier: BSD-2-Clause
"""The tables of cases: importing one adds its cases."""

from . import cases_author, cases_body, cases_dkim, cases_dmarc, cases_form, cases_programs

MODULES = (cases_form, cases_body, cases_dkim, cases_dmarc, cases_author, cases_programs)
