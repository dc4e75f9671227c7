/* SPDX-License-Identifier: BSD-2-Clause */
#include "result_jws.h"
