/* SPDX-License-Identifier: BSD-2-Clause */
#include "mailbox.h"
