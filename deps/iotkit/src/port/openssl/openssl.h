/*
 * openssl.h - the OpenSSL of this process: looked for until it is found.
 */
#ifndef IK_OPENSSL_H
#define IK_OPENSSL_H

#include <stdbool.h>
#include <stdint.h>

#include "port/openssl/openssl_table.h"

struct ik_openssl {
#define IK_OPENSSL_FIELD(result, name, parameters) result(*name) parameters;
  IK_LIBCRYPTO_MAP(IK_OPENSSL_FIELD)
  IK_LIBSSL_MAP(IK_OPENSSL_FIELD)
  IK_SIGNER_MAP(IK_OPENSSL_FIELD)
#undef IK_OPENSSL_FIELD
  bool has_signer; /* the functions of IK_SIGNER_MAP are there: all of them or none */
};

/*
 * Any thread. 0: *out is it, and stays for the life of the process. Else NULL and, with detail,
 * IK_ETLS_UNAVAILABLE: there is none, or IK_ETLS: it could not be loaded now (no free descriptor, no
 * memory). Looks for it as long as there is none, and may then read files.
 */
int ik_openssl_need(const struct ik_openssl **out, char *detail);
/* The same; NULL: there is none, or not now. */
const struct ik_openssl *ik_openssl(void);

/* Library and reason of a code of the error queue, which 1.1.1 and 3.x pack differently. */
unsigned ik_openssl_error_lib(const struct ik_openssl *o, unsigned long error);
unsigned ik_openssl_error_reason(const struct ik_openssl *o, unsigned long error);
/* The reason in words; never NULL. */
const char *ik_openssl_error_text(const struct ik_openssl *o, unsigned long error);

#endif
