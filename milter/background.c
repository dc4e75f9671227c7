/* SPDX-License-Identifier: BSD-2-Clause */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* Does not return. */
static void wait_for_child(pid_t child, int pipe_end)
{
    char byte;
    int status = 0;
    ssize_t got;
    do
        got = read(pipe_end, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        _exit(EX_OK);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

bool background_enter(struct background *b)
{
    int ends[2];
    const struct sigaction action = {.sa_handler = SIG_DFL}; /* whoever ignores children gets no exit code */
    if (pipe2(ends, O_CLOEXEC) != 0 || sigaction(SIGCHLD, &action, NULL) != 0)
        return false;
    pid_t pid = fork();
    if (pid > 0) {
        close(ends[1]);
        wait_for_child(pid, ends[0]);
    }
    close(ends[0]);
    b->ready = ends[1];
    return pid == 0 && setsid() >= 0 && chdir("/") == 0;
}

void background_ready(struct background *b)
{
    if (b->ready < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && null >= 0; fd++)
        (void)dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
    ssize_t written;
    do
        written = write(b->ready, "", 1);
    while (written < 0 && errno == EINTR);
    close(b->ready);
    b->ready = -1;
}
