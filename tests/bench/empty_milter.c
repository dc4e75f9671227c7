/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least a libmilter filter can do, to hold ours against: accepts at DATA (-a), or reads the whole mail
 * and accepts.
 *
 *     empty_milter [-a] SOCKET
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <libmilter/mfapi.h>

static bool accepts_at_data;

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1, unsigned long *pf2,
                             unsigned long *pf3)
{
    (void)ctx;
    (void)f0;
    (void)f2;
    (void)f3;
    *pf0 = 0;
    *pf1 = f1 & (SMFIP_NOUNKNOWN | SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT |
                 SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY);
    *pf2 = 0;
    *pf3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, struct sockaddr *address)
{
    (void)ctx;
    (void)name;
    (void)address;
    return SMFIS_NOREPLY;
}

static sfsistat on_text(SMFICTX *ctx, char *text)
{
    (void)ctx;
    (void)text;
    return SMFIS_NOREPLY;
}

static sfsistat on_arguments(SMFICTX *ctx, char **argv)
{
    (void)ctx;
    (void)argv;
    return SMFIS_NOREPLY;
}

static sfsistat on_data(SMFICTX *ctx)
{
    (void)ctx;
    return accepts_at_data ? SMFIS_ACCEPT : SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    (void)ctx;
    (void)name;
    (void)value;
    return SMFIS_NOREPLY;
}

static sfsistat on_end_of_header(SMFICTX *ctx)
{
    (void)ctx;
    return SMFIS_NOREPLY;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    return SMFIS_NOREPLY;
}

static sfsistat on_end_of_message(SMFICTX *ctx)
{
    (void)ctx;
    return SMFIS_ACCEPT;
}

int main(int argc, char **argv)
{
    accepts_at_data = argc == 3 && strcmp(argv[1], "-a") == 0;
    if (argc != 2 && !accepts_at_data)
        return 64;
    struct smfiDesc callbacks = {
        .xxfi_name = (char[]){"empty"},
        .xxfi_version = SMFI_VERSION,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_text,
        .xxfi_envfrom = on_arguments,
        .xxfi_envrcpt = on_arguments,
        .xxfi_header = on_header,
        .xxfi_eoh = on_end_of_header,
        .xxfi_body = on_body,
        .xxfi_eom = on_end_of_message,
        .xxfi_data = on_data,
        .xxfi_negotiate = on_negotiate,
    };
    if (smfi_register(callbacks) != MI_SUCCESS || smfi_setconn(argv[argc - 1]) != MI_SUCCESS ||
        smfi_opensocket(true) != MI_SUCCESS)
        return 69;
    return smfi_main() == MI_SUCCESS ? 0 : 70;
}
