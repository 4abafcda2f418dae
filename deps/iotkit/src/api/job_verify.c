/*
 * job_verify.c - what must be signed before a job fetches its first byte.
 *
 * Every signature is verified against what was announced, so that nothing unsigned is fetched; the
 * digest, checked at the end, then binds the bytes. A job owns the signature that the user gave.
 */
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "base/codec.h"
#include "base/limits.h"

#define MD5_LEN 16
#define SHA256_LEN 32

static size_t digest_len(const struct iotkit_upgrade *upgrade) {
  return upgrade->digest_method == IOTKIT_DIGEST_SHA256 ? SHA256_LEN : MD5_LEN;
}

/* Names the signature that does not fit. */
static int report(int rc, const char *which, const char *why, char *detail) {
  if (rc != 0) ik_detail(detail, "%s: %s", which, why);
  return rc;
}

/* The platform's: base64, over the raw digest. */
static int verify_announced(const struct iotkit_upgrade *upgrade, const iotkit_keys_t *keys,
                            char *detail) {
  char why[IOTKIT_DETAIL_MAX] = "";
  uint8_t raw[IK_DIGEST_SIGN_MAX];
  ptrdiff_t len = ik_base64_decode(ik_str(upgrade->digest_sign), raw, sizeof(raw));
  if (len < 0) return report(IK_ESIGNATURE, "digestsign", "is not base64", detail);
  int rc = iotkit_verify(keys, upgrade->digest, digest_len(upgrade), raw, (size_t)len, why);
  return report(rc, "digestsign", why, detail);
}

/* The user's: of the image it is verified by the SHA-256 value that was announced for it. */
static int verify_given(const iotkit_job_t *job, const iotkit_keys_t *keys, char *detail) {
  const struct iotkit_upgrade *upgrade = &job->notice.upgrade;
  char why[IOTKIT_DETAIL_MAX] = "";
  int rc;
  if (job->signature_over == IOTKIT_SIGNED_IMAGE) {
    rc = iotkit_verify_sha256(keys, upgrade->digest, job->signature, job->signature_len, why);
  } else {
    rc = iotkit_verify(keys, upgrade->digest, digest_len(upgrade), job->signature,
                       job->signature_len, why);
  }
  return report(rc, "signature", why, detail);
}

int ik_job_verify_notice(iotkit_job_t *job, char *detail) {
  const struct iotkit_fetch_options *options = &job->config->options;
  const struct iotkit_upgrade *upgrade = &job->notice.upgrade;
  bool announced = upgrade->digest_sign[0] != '\0';
  bool given = job->signature != NULL;
  if (options->keys == NULL && (given || options->require_signature)) {
    ik_detail(detail, "no public key is there to verify the signature with");
    return IK_EPUBLIC_KEY;
  }
  if (options->keys == NULL) return 0;
  if (options->require_signature && !announced && !given) {
    ik_detail(detail, "digestsign: is missing, and no other signature was given");
    return IK_ESIGNATURE_MISSING;
  }
  int rc = announced ? verify_announced(upgrade, options->keys, detail) : 0;
  if (rc == 0 && given) rc = verify_given(job, options->keys, detail);
  return rc;
}

/* Whether there is one digest that a signature of this kind can be verified with. */
static bool can_verify(const struct iotkit_upgrade *upgrade, enum iotkit_signed what) {
  if (what == IOTKIT_SIGNED_DIGEST) return upgrade->digest_method != IOTKIT_DIGEST_NONE;
  return what == IOTKIT_SIGNED_IMAGE && upgrade->digest_method == IOTKIT_DIGEST_SHA256;
}

int iotkit_job_set_signature(iotkit_job_t *job, enum iotkit_signed what, const void *signature,
                             size_t len) {
  if (job == NULL || signature == NULL || len == 0) return IK_EINVALID_ARGUMENT;
  if (what != IOTKIT_SIGNED_DIGEST && what != IOTKIT_SIGNED_IMAGE) return IK_EINVALID_ARGUMENT;
  if (len > IK_SIGNATURE_MAX) return IK_ETOO_LONG;
  if (!can_verify(&job->notice.upgrade, what)) return IK_EUNSUPPORTED;
  uint8_t *copy = malloc(len);
  if (copy == NULL) return IK_ENO_MEMORY;
  memcpy(copy, signature, len);
  int rc = ik_job_enter_ready(job);
  if (rc != 0) {
    free(copy);
    return rc;
  }
  free(job->signature);
  job->signature = copy;
  job->signature_len = len;
  job->signature_over = what;
  ik_job_leave(job);
  return 0;
}
