/* SPDX-License-Identifier: BSD-2-Clause */
#include "domain.h"
