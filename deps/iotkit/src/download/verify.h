/*
 * verify.h - what must be signed before a job fetches its first byte. Keeps no state: any thread.
 */
#ifndef IK_DOWNLOAD_VERIFY_H
#define IK_DOWNLOAD_VERIFY_H

#include "alink/announcement.h"

/* A signature that the user gave; empty: none. */
struct ik_signature {
  uint8_t *bytes; /* owned; NULL: none */
  size_t len;
  enum iotkit_signed over;
};

/* Copies. IK_EINVALID_ARGUMENT, IK_ETOO_LONG, IK_EUNSUPPORTED (no digest to verify it with). */
int ik_signature_init(struct ik_signature *signature, const struct iotkit_upgrade *upgrade,
                      enum iotkit_signed over, const void *bytes, size_t len);
int ik_signature_copy(const struct ik_signature *from, struct ik_signature *to); /* IK_ENO_MEMORY */
void ik_signature_free(struct ik_signature *signature); /* leaves it empty */

/*
 * The policy of `options` about signatures, and every signature that is there: the platform's over
 * the announced digest, the operator's over the statement, the user's. IK_EPUBLIC_KEY,
 * IK_ESIGNATURE_MISSING, IK_ESIGNATURE, IK_EINVALID_ARGUMENT (no product key), IK_ENO_MEMORY.
 */
int ik_verify_announced(const struct ik_announcement *announcement,
                        const struct iotkit_fetch_options *options,
                        const struct ik_signature *signature, char *detail);

#endif
