/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of system calls that libmilter, libunbound, libcurl, OpenSSL and the C library make while we serve
 * and read a configuration again; and nothing to run a program, to listen, to become somebody or to look into
 * another process.
 *
 * A call that is not on it fails with ENOSYS, as on a kernel that does not have it: the C library then takes
 * the older one, and a mail is at worst put off, where a kill would end those of others too. The calls that
 * only somebody who has taken over the process would make end it at once.
 */
#include <errno.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox_internal.h"

static const char *const allowed[] = {
    /* open files and connections */
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "lseek",
    "_llseek",
    "close",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fcntl64",
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "_newselect",
    "pselect6",
    "pselect6_time64",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_settime64",
    "pipe",
    "pipe2",
    "memfd_create",
    "ftruncate",
    "ftruncate64",
    "fsync",
    "fdatasync",
    "flock",
    /* files */
    "open",
    "openat",
    "openat2",
    "access",
    "faccessat",
    "faccessat2",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "fstat",
    "fstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "statfs64",
    "fstatfs",
    "fstatfs64",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "umask",
    /* the network; no listen: the socket is open */
    "socketpair",
    "connect",
    "bind",
    "accept",
    "accept4",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "recvmmsg_time64",
    /* memory */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "membarrier",
    /* threads, signals and time */
    "futex",
    "futex_time64",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "exit",
    "exit_group",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_sigpending",
    "pause",
    "sigaltstack",
    "restart_syscall",
    "nanosleep",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_getres_time64",
    "gettimeofday",
    "time",
    "times",
    "getitimer",
    /* what is known of us */
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "getuid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getegid",
    "getegid32",
    "getresuid",
    "getresuid32",
    "getresgid",
    "getresgid32",
    "getgroups",
    "getgroups32",
    "getpgrp",
    "getpgid",
    "getsid",
    "getrlimit",
    "ugetrlimit",
    "getrusage",
    "getcpu",
    "uname",
    "sysinfo",
    "getrandom",
    "capget",
};

/* What no library of ours does. (clone without a thread and clone3 fail, so that there is no process to run
 * these.) */
static const char *const fatal[] = {
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "bpf",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "perf_event_open",
};

struct condition {
    const char *name;
    uint32_t action;
    struct scmp_arg_cmp argument;
};

/* Of these calls some. */
static const struct condition conditions[] = {
    {"clone", SCMP_ACT_ALLOW, SCMP_A0_64(SCMP_CMP_MASKED_EQ, 0x00010000, 0x00010000)}, /* CLONE_THREAD */
    {"mmap", SCMP_ACT_ALLOW, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {"mmap", SCMP_ACT_ALLOW, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0)},
    {"mmap2", SCMP_ACT_ALLOW, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {"mmap2", SCMP_ACT_ALLOW, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0)},
    {"mprotect", SCMP_ACT_ALLOW, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {"fchmod", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_MASKED_EQ, 06000, 0)}, /* no set-id; evidence_log.c */
    {"prctl", SCMP_ACT_ALLOW, SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME)},
    {"prctl", SCMP_ACT_ALLOW, SCMP_A0_64(SCMP_CMP_EQ, PR_GET_NAME)},
    {"prctl", SCMP_ACT_ALLOW, SCMP_A0_64(SCMP_CMP_EQ, PR_GET_DUMPABLE)},
    {"prctl", SCMP_ACT_ALLOW, SCMP_A0_64(SCMP_CMP_EQ, PR_CAPBSET_READ)},
    {"prlimit64", SCMP_ACT_ALLOW, SCMP_A2_64(SCMP_CMP_EQ, 0)}, /* to ask, not to set */
    {"ioctl", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_EQ, FIONBIO)},
    {"ioctl", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_EQ, FIONREAD)},
    {"ioctl", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_EQ, FIOCLEX)},
    {"ioctl", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_EQ, TCGETS)},
    {"ioctl", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_EQ, SIOCGIFINDEX)},
    {"ioctl", SCMP_ACT_ALLOW, SCMP_A1_32(SCMP_CMP_EQ, SIOCGIFNAME)},
    {"socket", SCMP_ACT_ALLOW, SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX)},
    {"socket", SCMP_ACT_ALLOW, SCMP_A0_32(SCMP_CMP_EQ, AF_INET)},
    {"socket", SCMP_ACT_ALLOW, SCMP_A0_32(SCMP_CMP_EQ, AF_INET6)},
    {"socket", SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_A0_32(SCMP_CMP_GT, AF_INET6)},
};

/* A call that this machine, or this libseccomp, does not know needs no rule. */
static bool add(scmp_filter_ctx filter, uint32_t action, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);
    return call == __NR_SCMP_ERROR || seccomp_rule_add(filter, action, call, 0) == 0;
}

static bool add_condition(scmp_filter_ctx filter, const struct condition *c)
{
    int call = seccomp_syscall_resolve_name(c->name);
    return call == __NR_SCMP_ERROR || seccomp_rule_add_array(filter, c->action, call, 1, &c->argument) == 0;
}

static bool add_rules(scmp_filter_ctx filter)
{
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof allowed / sizeof allowed[0]; i++)
        ok = add(filter, SCMP_ACT_ALLOW, allowed[i]);
    for (size_t i = 0; ok && i < sizeof fatal / sizeof fatal[0]; i++)
        ok = add(filter, SCMP_ACT_KILL_PROCESS, fatal[i]);
    for (size_t i = 0; ok && i < sizeof conditions / sizeof conditions[0]; i++)
        ok = add_condition(filter, &conditions[i]);
    /* abort() and pthread_kill(): to ourselves only. */
    return ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)getpid())) == 0;
}

bool sandbox_limit_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    errno = ENOMEM;
    if (filter == NULL)
        return false;
    bool ok = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
              seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 && add_rules(filter);
    errno = EINVAL;
    int code = ok ? seccomp_load(filter) : 0;
    if (code < 0)
        errno = -code;
    seccomp_release(filter);
    return ok && code == 0;
}
