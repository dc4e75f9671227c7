/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One fuzzer is one file with LLVMFuzzerTestOneInput: libFuzzer and AFL++ drive it, and replay.c runs its
 * corpus (tests/fuzz/corpus/NAME/) as a test.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold of every input. */
#define FUZZ_MUST(condition)                                                                                 \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

#endif
