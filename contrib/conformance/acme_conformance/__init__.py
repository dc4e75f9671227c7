# SPDX-License-Identifier: BSD-2-Clause
"""The rules of acme-milter-conformance(1): what the ACME server's end of acme-milter must do, one function each."""
