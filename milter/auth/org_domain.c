/* SPDX-License-Identifier: BSD-2-Clause */
#include "org_domain.h"
