/* SPDX-License-Identifier: BSD-2-Clause */
/* Each trial is a process of its own, since nobody gets out of the sandbox again. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../milter/sandbox.h"
#include "tap.h"

enum { PATH_BYTES = 256, KILLED = 1000, NOT_STARTED = 255 };

/* The folders of one trial: configuration and keys, evidence, log, metrics, socket, and one that nobody
 * named. */
struct place {
    char top[PATH_BYTES];
    char named[PATH_BYTES], evidence[PATH_BYTES], other[PATH_BYTES];
    struct settings settings;
    struct sandbox sandbox;
    char file[PATH_BYTES], key[PATH_BYTES], log[PATH_BYTES], metrics[PATH_BYTES], socket[PATH_BYTES];
};

static void join(char out[static PATH_BYTES], const char *folder, const char *name)
{
    if (snprintf(out, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES)
        abort();
}

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0)
        abort();
}

static void make_place(struct place *p)
{
    memset(p, 0, sizeof *p);
    const char *parent = getenv("TMPDIR");
    (void)snprintf(p->top, sizeof p->top, "%s/test_sandbox.XXXXXX", parent != NULL ? parent : "/tmp");
    char folder[PATH_BYTES];
    if (mkdtemp(p->top) == NULL)
        abort();
    static const char *const folders[] = {"named", "evidence", "other", "log", "metrics", "run"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        join(folder, p->top, folders[i]);
        if (mkdir(folder, 0755) != 0)
            abort();
    }
    join(p->named, p->top, "named");
    join(p->evidence, p->top, "evidence");
    join(p->other, p->top, "other");
    join(p->file, p->named, "conf");
    join(p->key, p->named, "key.pem");
    join(p->log, p->top, "log/evidence.log");
    join(p->metrics, p->top, "metrics/metrics.prom");
    join(p->socket, p->top, "run/milter.sock");
    char secret[PATH_BYTES];
    join(secret, p->other, "secret");
    const char *const files[] = {p->file, p->key, p->log, p->metrics, p->socket, secret};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        write_file(files[i]);
    p->settings = (struct settings){.sandbox = true,
                                    .file = p->file,
                                    .evidence_key_file = p->key,
                                    .evidence_directory = p->evidence,
                                    .evidence_log = p->log,
                                    .metrics_file = p->metrics};
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* errno of what is tried, 0 where it goes. */
typedef int trial(const struct place *p);

/* What a trial gives inside the sandbox; KILLED where it does not come back. */
static int try_inside(trial *attempt)
{
    struct place p;
    make_place(&p);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        log_set_level(LOG_LEVEL_ERROR);
        (void)setrlimit(RLIMIT_CORE, &none);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            _exit(NOT_STARTED);
        sandbox_enter(&p.sandbox, &p.settings, p.socket);
        _exit(attempt(&p));
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    (void)nftw(p.top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED : WEXITSTATUS(status);
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0644);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int read_key(const struct place *p)
{
    return try_open(p->key, O_RDONLY);
}

static int write_key(const struct place *p)
{
    return try_open(p->key, O_WRONLY);
}

static int replace_key(const struct place *p)
{
    char beside[PATH_BYTES];
    join(beside, p->named, "new");
    return try_open(beside, O_WRONLY | O_CREAT);
}

static int read_other(const struct place *p)
{
    char path[PATH_BYTES];
    join(path, p->other, "secret");
    return try_open(path, O_RDONLY);
}

static int write_other(const struct place *p)
{
    char path[PATH_BYTES];
    join(path, p->other, "new");
    return try_open(path, O_WRONLY | O_CREAT);
}

static int list_root(const struct place *p)
{
    (void)p;
    return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int read_passwd(const struct place *p)
{
    (void)p;
    return try_open("/etc/passwd", O_RDONLY);
}

/* As evidence.c does it: a folder beside, a file in it, renamed. */
static int record(const struct place *p)
{
    char beside[PATH_BYTES], folder[PATH_BYTES], file[PATH_BYTES];
    join(beside, p->evidence, ".new");
    join(folder, p->evidence, "id");
    join(file, beside, "message.eml");
    if (mkdir(beside, 0750) != 0 || try_open(file, O_WRONLY | O_CREAT | O_EXCL) != 0 ||
        rename(beside, folder) != 0)
        return errno;
    join(file, folder, "message.eml");
    return unlink(file) != 0 || rmdir(folder) != 0 ? errno : 0;
}

static int append_log(const struct place *p)
{
    char moved[PATH_BYTES];
    join(moved, p->top, "log/new.log");
    int error = try_open(p->log, O_WRONLY | O_APPEND);
    return error != 0 ? error : try_open(moved, O_WRONLY | O_CREAT | O_APPEND);
}

static int remove_log(const struct place *p)
{
    return unlink(p->log) != 0 ? errno : 0;
}

static int replace_metrics(const struct place *p)
{
    char beside[PATH_BYTES];
    join(beside, p->top, "metrics/new.tmp");
    int error = try_open(beside, O_WRONLY | O_CREAT | O_TRUNC);
    return error != 0 ? error : rename(beside, p->metrics) != 0 ? errno : 0;
}

static int remove_socket(const struct place *p)
{
    return unlink(p->socket) != 0 ? errno : 0;
}

static int link_key(const struct place *p)
{
    char path[PATH_BYTES];
    join(path, p->evidence, "link");
    return symlink(p->key, path) != 0 ? errno : 0;
}

static int run_program(const struct place *p)
{
    (void)p;
    char *const none[] = {NULL};
    (void)execve("/bin/true", none, none);
    return errno;
}

static int trace(const struct place *p)
{
    (void)p;
    return syscall(SYS_ptrace, 0, 0, 0, 0) != 0 ? errno : 0;
}

static int fork_away(const struct place *p)
{
    (void)p;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int open_packet_socket(const struct place *p)
{
    (void)p;
    return socket(AF_PACKET, SOCK_DGRAM, 0) < 0 ? errno : 0;
}

static int open_inet_socket(const struct place *p)
{
    (void)p;
    return socket(AF_INET, SOCK_DGRAM, 0) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int listen_anew(const struct place *p)
{
    (void)p;
    return listen(socket(AF_INET, SOCK_STREAM, 0), 1) != 0 ? errno : 0;
}

static int bind_tcp(const struct place *p)
{
    (void)p;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(40025)};
    return bind(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&address, sizeof address) != 0
               ? errno
               : 0;
}

static int map_writable_code(const struct place *p)
{
    (void)p;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? errno : 0;
}

static int make_code(const struct place *p)
{
    (void)p;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
}

static int raise_limit(const struct place *p)
{
    (void)p;
    const struct rlimit files = {64, 64};
    return setrlimit(RLIMIT_NOFILE, &files) != 0 ? errno : 0;
}

static int signal_another(const struct place *p)
{
    (void)p;
    return kill(getppid(), 0) != 0 ? errno : 0;
}

static int change_mode(const struct place *p)
{
    return chmod(p->key, 0777) != 0 ? errno : 0;
}

static void *do_nothing(void *context)
{
    return context;
}

static int start_thread(const struct place *p)
{
    (void)p;
    pthread_t thread;
    int error = pthread_create(&thread, NULL, do_nothing, NULL);
    return error != 0 ? error : pthread_join(thread, NULL);
}

/* The kernel's own word, beside ours. */
static bool has_landlock(int version)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= version;
}

struct row {
    const char *name;
    trial *attempt;
    int want;
    int landlock; /* the version that it takes; 0: none */
};

static const struct row rows[] = {
    {"a key that the settings name is read", read_key, 0, 0},
    {"it is not written", write_key, EACCES, 1},
    {"nothing is put beside it", replace_key, EACCES, 1},
    {"a file that nobody named is not read", read_other, EACCES, 1},
    {"nothing is put where nobody said so", write_other, EACCES, 1},
    {"the root folder is not listed", list_root, EACCES, 1},
    {"names of users are read", read_passwd, 0, 0},
    {"evidence is recorded", record, 0, 0},
    {"the evidence log is written, and made anew", append_log, 0, 0},
    {"it is not taken away", remove_log, EACCES, 1},
    {"metrics are replaced", replace_metrics, 0, 0},
    {"the socket is taken away", remove_socket, 0, 0},
    {"no links are made", link_key, ENOSYS, 0},
    {"a program is not run: the process ends", run_program, KILLED, 0},
    {"no other process is looked into: the process ends", trace, KILLED, 0},
    {"there is no second process", fork_away, ENOSYS, 0},
    {"no packets are read", open_packet_socket, EAFNOSUPPORT, 0},
    {"UDP and UNIX sockets are opened", open_inet_socket, 0, 0},
    {"nothing else is listened to", listen_anew, ENOSYS, 0},
    {"no TCP port is taken", bind_tcp, EACCES, 4},
    {"memory is not writable and code at once", map_writable_code, ENOSYS, 0},
    {"what was written does not become code", make_code, ENOSYS, 0},
    {"limits stay", raise_limit, ENOSYS, 0},
    {"no other process is signalled", signal_another, ENOSYS, 0},
    {"no mode is changed", change_mode, ENOSYS, 0},
    {"threads are started", start_thread, 0, 0},
};

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool is_seccomp = rows[i].want == ENOSYS || rows[i].want == EAFNOSUPPORT || rows[i].want == KILLED;
        if (is_seccomp && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
            tap_skip(rows[i].name, "this kernel has no seccomp");
        else if (has_landlock(rows[i].landlock) || rows[i].landlock == 0)
            tap_is_int(try_inside(rows[i].attempt), rows[i].want, rows[i].name);
        else
            tap_skip(rows[i].name, "this kernel's Landlock is too old");
    }
}

enum { REACHES_SAME = 1, REACHES_BESIDE = 2, REACHES_OTHER = 4, NAMES_OTHER = 8, REACHES_READ_ONLY = 16 };

/* What a later configuration may name. */
static int reach(const struct place *p)
{
    char why[SANDBOX_WHY_BYTES] = "";
    char beside[PATH_BYTES], other[PATH_BYTES];
    join(beside, p->named, "another.pem");
    join(other, p->other, "secret");
    struct settings later = p->settings;
    int got = sandbox_reaches(&p->sandbox, &later, why) ? REACHES_SAME : 0;
    later.evidence_key_file = beside;
    got |= sandbox_reaches(&p->sandbox, &later, why) ? REACHES_BESIDE : 0;
    later.evidence_key_file = other;
    got |= sandbox_reaches(&p->sandbox, &later, why) ? REACHES_OTHER : 0;
    got |= strstr(why, "EvidenceKeyFile") != NULL && strstr(why, other) != NULL ? NAMES_OTHER : 0;
    later.evidence_key_file = beside;
    later.evidence_directory = beside; /* its folder may be read, and no more */
    return got | (sandbox_reaches(&p->sandbox, &later, why) ? REACHES_READ_ONLY : 0);
}

static void test_reach(void)
{
    const struct sandbox none = {.landlock = 0};
    char why[SANDBOX_WHY_BYTES];
    char path[] = "/nonexistent";
    const struct settings settings = {.evidence_key_file = path};
    tap_ok(sandbox_reaches(&none, &settings, why), "without Landlock every file is within reach");
    if (!has_landlock(1)) {
        tap_skip("reach", "this kernel has no Landlock");
        return;
    }
    int got = try_inside(reach);
    tap_ok((got & REACHES_SAME) != 0, "the same settings are within reach");
    tap_ok((got & REACHES_BESIDE) != 0, "a file beside a named one is, too");
    tap_ok((got & REACHES_OTHER) == 0 && (got & NAMES_OTHER) != 0,
           "one in another folder is not, and the reason names it");
    tap_ok((got & REACHES_READ_ONLY) == 0, "a folder to read is none to write");
}

int main(void)
{
    test_rows();
    test_reach();
    return tap_done();
}
