/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Landlock by its system calls; glibc has none for it. A rule is tied to a file or folder, not to its name,
 * and holds for all that lies below.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_internal.h"

/* What Debian 12's headers (version 2) do not name yet: linux/landlock.h of Linux 6.12. */
enum {
    RIGHT_TRUNCATE = 1 << 14,  /* since version 3 */
    RIGHT_IOCTL_DEV = 1 << 15, /* since version 5 */
    RIGHT_BIND_TCP = 1 << 0,   /* since version 4 */
    SCOPE_ABSTRACT_SOCKET = 1 << 0,
    SCOPE_SIGNAL = 1 << 1, /* both since version 6 */
};

struct attributes {
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

enum {
    RIGHTS_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    RIGHTS_WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE,
    RIGHTS_OF_FILES = LANDLOCK_ACCESS_FS_READ_FILE | RIGHTS_WRITE,
};

static const struct {
    unsigned use;
    uint64_t rights;
} uses[] = {
    {SANDBOX_USE_READ, RIGHTS_READ},
    {SANDBOX_USE_WRITE, RIGHTS_WRITE},
    {SANDBOX_USE_MAKE, LANDLOCK_ACCESS_FS_MAKE_REG},
    {SANDBOX_USE_REMOVE, LANDLOCK_ACCESS_FS_REMOVE_FILE},
    {SANDBOX_USE_FOLDERS, LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR},
};

/* Everything the kernel can forbid. */
static uint64_t all_rights(int version)
{
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (version >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        rights |= RIGHT_TRUNCATE;
    if (version >= 5)
        rights |= RIGHT_IOCTL_DEV;
    return rights;
}

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

int sandbox_landlock_begin(int version)
{
    const struct attributes attributes = {
        .files = all_rights(version),
        .network = version >= 4 ? RIGHT_BIND_TCP : 0,
        .scopes = version >= 6 ? SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL : 0,
    };
    size_t size = version >= 6   ? sizeof attributes
                  : version >= 4 ? offsetof(struct attributes, scopes)
                                 : offsetof(struct attributes, network);
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
}

bool sandbox_landlock_allow(int rules, int version, int path, unsigned use)
{
    struct stat status;
    uint64_t rights = 0;
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        if ((use & uses[i].use) != 0)
            rights |= uses[i].rights;
    if (fstat(path, &status) != 0)
        return false;
    if (!S_ISDIR(status.st_mode))
        rights &= RIGHTS_OF_FILES;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & all_rights(version),
                                              .parent_fd = path};
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool sandbox_landlock_enter(int rules)
{
    bool ok = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    int error = errno;
    close(rules);
    errno = error;
    return ok;
}
