/*
 * running_digest.h - the digest of the bytes of an image that have arrived so far.
 *
 * It has a mutex of its own, because with external_digest another thread than the fetching one adds
 * to it. Any thread.
 */
#ifndef IK_DOWNLOAD_RUNNING_DIGEST_H
#define IK_DOWNLOAD_RUNNING_DIGEST_H

#include "port/port.h"

struct ik_running_digest {
  enum iotkit_digest_method method;
  struct ik_mutex *mutex;
  /* with the mutex */
  struct ik_digest *state; /* made when first needed */
  uint64_t digested;       /* bytes in `state` */
};

/* IK_ENO_MEMORY; ik_running_digest_deinit() in any case. */
int ik_running_digest_init(struct ik_running_digest *digest, enum iotkit_digest_method method);
void ik_running_digest_deinit(struct ik_running_digest *digest);
/*
 * Adds bytes of the image at the offset, which must be the end of those before it; offset 0 starts
 * the digest anew. IK_EINVALID_ARGUMENT: a gap or an overlap.
 */
int ik_running_digest_update(struct ik_running_digest *digest, uint64_t offset, const void *data,
                             size_t len);
/* Length of the value, or an error; *offset: how many bytes it covers. */
int ik_running_digest_value(struct ik_running_digest *digest, uint64_t *offset,
                            uint8_t value[IOTKIT_DIGEST_MAX]);
/*
 * Whether a download can continue at `offset`: exactly the bytes before it were digested. Offset 0
 * empties the digest. IK_EINVALID_ARGUMENT: it cannot.
 */
int ik_running_digest_resume(struct ik_running_digest *digest, uint64_t offset);
/*
 * Whether `other` has digested the same bytes as this one up to `offset`: 1 yes, 0 no; IK_EAGAIN:
 * this one is not as far yet; else an error.
 */
int ik_running_digest_compare(struct ik_running_digest *digest, uint64_t offset,
                              struct ik_digest *other);
/* 0: it is the digest of an image of that size. IK_ESIZE_MISMATCH, IK_EDIGEST_MISMATCH. */
int ik_running_digest_check(struct ik_running_digest *digest, uint64_t size,
                            const uint8_t *expected);

#endif
