/* SPDX-License-Identifier: BSD-2-Clause */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"

/* True at the end of what it prints. */
static bool read_all(int fd, struct deadline deadline, struct strbuf *out)
{
    char chunk[BUFSIZ];
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&wanted, 1, (int)deadline_left_ms(deadline));
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = ready == 1 ? read(fd, chunk, sizeof chunk) : -1;
        if (n <= 0)
            return n == 0;
        if (!strbuf_append(out, (struct span){chunk, (size_t)n}))
            return false;
    }
}

static bool spawn(char *const *argv, int output, pid_t *pid)
{
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *const environment[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    bool ok = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
              posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
              posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0 &&
              posix_spawn(pid, argv[0], &actions, NULL, argv, environment) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    return ok;
}

bool program_run(char *const *argv, int64_t timeout_ms, struct strbuf *out)
{
    int ends[2], status = 0;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    bool is_running = spawn(argv, ends[1], &pid);
    (void)close(ends[1]);
    bool ok = is_running && read_all(ends[0], deadline_in(timeout_ms), out);
    (void)close(ends[0]);
    if (is_running && !ok)
        (void)kill(pid, SIGKILL);
    while (is_running && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
