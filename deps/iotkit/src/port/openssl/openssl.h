/*
 * openssl.h - the OpenSSL of this process, found once.
 */
#ifndef IK_OPENSSL_H
#define IK_OPENSSL_H

#include <stdint.h>

#include "openssl_table.h"

struct ik_openssl {
#define IK_OPENSSL_FIELD(result, name, parameters) result(*name) parameters;
  IK_LIBCRYPTO_MAP(IK_OPENSSL_FIELD)
  IK_LIBSSL_MAP(IK_OPENSSL_FIELD)
#undef IK_OPENSSL_FIELD
};

/* Any thread; NULL: there is none. The first call looks for it and may read files; it stays for the
 * life of the process. */
const struct ik_openssl *ik_openssl(void);

/* Library and reason of a code of the error queue, which 1.1.1 and 3.x pack differently. */
unsigned ik_openssl_error_lib(const struct ik_openssl *o, unsigned long error);
unsigned ik_openssl_error_reason(const struct ik_openssl *o, unsigned long error);
/* The reason in words; never NULL. */
const char *ik_openssl_error_text(const struct ik_openssl *o, unsigned long error);

#endif
