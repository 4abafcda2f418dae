/*
 * credentials.h - the text that credentials are kept as: JSON with the members of the platform's
 * answers, and a digest of them, which a text that was made by hand may lack.
 */
#ifndef IK_ALINK_CREDENTIALS_H
#define IK_ALINK_CREDENTIALS_H

#include "base/buf.h"
#include "iotkit_register.h"

#define IK_CREDENTIALS_TEXT_MAX 4096

/* Appends the text. IK_ENO_MEMORY, IK_ETOO_LONG; IK_EINVALID_ARGUMENT: a value is not UTF-8. */
int ik_credentials_write(const struct iotkit_credentials *credentials, struct ik_buf *out);
/*
 * Reads it. IK_ECREDENTIALS_DAMAGED: it is not whole, has no credentials, or they do not fit the
 * digest; IK_ENO_MEMORY. On an error `out` is wiped.
 */
int ik_credentials_read(struct ik_str text, struct iotkit_credentials *out, char *detail);

#endif
