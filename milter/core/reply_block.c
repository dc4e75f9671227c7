/* SPDX-License-Identifier: BSD-2-Clause */
#include "reply_block.h"
