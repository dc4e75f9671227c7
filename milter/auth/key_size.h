/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The size of an RSA key from its DER. libopendkim tells whole bytes only, and takes 1023 bits for 1024.
 */
#ifndef KEY_SIZE_H
#define KEY_SIZE_H

#include "span.h"

/* key: base64 text of a SubjectPublicKeyInfo (RFC 5280) or RSAPublicKey (RFC 8017), no white space. 0:
 * neither. */
unsigned key_size_rsa_bits(struct span key);

#endif
