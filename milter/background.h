/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Without -f: who started the milter waits until it serves, or learns why it does not.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include <stdbool.h>

#include "outcome.h"

struct background {
    int ready; /* the end of a pipe on which the starting process waits; -1: nobody does */
};

/*
 * Forks and returns in the new process only: the old one waits for background_ready and exits with 0, or
 * with the exit code of the new one if that ends before. Before any thread. False: cannot.
 */
bool background_enter(struct background *b) MUST_CHECK;

/* Lets the starting process go, and with it the terminal. */
void background_ready(struct background *b);

#endif
