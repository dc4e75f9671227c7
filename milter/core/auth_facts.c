/* SPDX-License-Identifier: BSD-2-Clause */
#include "auth_facts.h"
