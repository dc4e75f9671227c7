/* SPDX-License-Identifier: BSD-2-Clause */
#include "tap.h"

int main(void)
{
    tap_skip("mime_text", "not written yet");
    return tap_done();
}
