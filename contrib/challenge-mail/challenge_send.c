/* SPDX-License-Identifier: BSD-2-Clause */
#include "challenge_send.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

/* Const only by spawn's prototype: it changes none of them. */
union argument {
    const char *text;
    char *passed;
};

static char *argument(const char *text)
{
    return (union argument){.text = text}.passed;
}

/* 0 or an errno. */
static int spawn(const char *program, const char *sender, const char *recipient, const int pipe_ends[2],
                 pid_t *pid)
{
    char *const arguments[] = {argument(program),
                               argument("-i"),
                               argument("-f"),
                               argument(sender),
                               argument("--"),
                               argument(recipient),
                               NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawn_file_actions_adddup2(&actions, pipe_ends[0], STDIN_FILENO);
    if (error == 0)
        error = posix_spawn(pid, program, &actions, NULL, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool write_all(int fd, struct span data)
{
    while (data.len > 0) {
        ssize_t done = write(fd, data.data, data.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data = span_slice(data, (size_t)done, data.len);
    }
    return true;
}

static int wait_for_status(pid_t pid, struct strbuf *error)
{
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    if (ended == pid && WIFEXITED(status)) {
        int code = WEXITSTATUS(status);
        if (code != EX_OK)
            (void)strbuf_append_format(error, "ended with %d", code);
        return code == EX_OK || (code >= EX__BASE && code <= EX__MAX) ? code : EX_UNAVAILABLE;
    }
    (void)strbuf_append_string(error, "was killed");
    return EX_UNAVAILABLE;
}

static int fail(struct strbuf *error, int code, int number)
{
    char text[128];
    (void)strbuf_append_format(error, "cannot be run: %s", strerror_r(number, text, sizeof text));
    return code;
}

int challenge_send(const char *program, const char *sender, const char *recipient, struct span data,
                   struct strbuf *error)
{
    int pipe_ends[2];
    pid_t pid;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return fail(error, EX_OSERR, errno);
    int number = spawn(program, sender, recipient, pipe_ends, &pid);
    (void)close(pipe_ends[0]);
    if (number != 0) {
        (void)close(pipe_ends[1]);
        return fail(error, EX_UNAVAILABLE, number);
    }
    /* After the start: what is ignored here would be ignored there. */
    (void)sigaction(SIGPIPE, &ignore, &before);
    bool is_written = write_all(pipe_ends[1], data);
    bool is_closed = close(pipe_ends[1]) == 0;
    (void)sigaction(SIGPIPE, &before, NULL);
    int code = wait_for_status(pid, error);
    if (code != EX_OK || (is_written && is_closed))
        return code;
    (void)strbuf_append_string(error, "did not read the mail");
    return EX_IOERR;
}
