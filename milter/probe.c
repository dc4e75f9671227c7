/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe.h"

#include <sysexits.h>

#include "complaint.h"
#include "listen_socket.h"

enum { PROBE_MS = 5000 };

static int complain(int code, const struct settings *s, const char *what)
{
    complaint_print(s->socket, what);
    return code;
}

static int probe(const struct settings *s)
{
    struct listen_socket l;
    if (!listen_socket_find(&l, s))
        return complain(EX_UNAVAILABLE, s, "only systemd knows where that is");
    if (l.address_len == 0)
        return complain(EX_UNAVAILABLE, s, "no such address");
    switch (listen_socket_probe(&l, PROBE_MS)) {
    case LISTEN_SOCKET_ANSWERS:
        return EX_OK;
    case LISTEN_SOCKET_UNREACHABLE:
        return complain(EX_NOPERM, s, "this user may not connect");
    case LISTEN_SOCKET_SILENT:
        break;
    }
    return complain(EX_UNAVAILABLE, s, "no milter answers");
}

int probe_run(struct settings *settings)
{
    int code = probe(settings);
    settings_unref(settings);
    return code;
}
