/*
 * verify.c - what must be signed before a job fetches its first byte.
 *
 * Every signature is verified against what was announced, so that nothing unsigned is fetched; the
 * digest, checked at the end, then binds the bytes. A statement is written here from what was
 * announced, and never received. A job owns the signature that the user gave.
 */
#include "download/verify.h"

#include <stdlib.h>
#include <string.h>

#include "alink/statement.h"
#include "base/codec.h"
#include "base/limits.h"

#define MD5_LEN 16
#define SHA256_LEN 32

static size_t digest_len(const struct iotkit_upgrade *upgrade) {
  return upgrade->digest_method == IOTKIT_DIGEST_SHA256 ? SHA256_LEN : MD5_LEN;
}

/* Names in the detail the signature that does not verify. */
static int report(int rc, const char *which, const char *why, char *detail) {
  if (rc != 0) ik_detail(detail, "%s: %s", which, why);
  return rc;
}

/* A signature as a notice has it, in base64. */
static int verify_base64(const char *base64, const char *which, const iotkit_keys_t *keys,
                         const void *message, size_t message_len, char *detail) {
  char why[IOTKIT_DETAIL_MAX] = "";
  uint8_t raw[IK_SIGNATURE_MAX];
  ptrdiff_t len = ik_base64_decode(ik_str(base64), raw, sizeof(raw));
  if (len <= 0) return report(IK_ESIGNATURE, which, "is not base64", detail);
  int rc = iotkit_verify(keys, message, message_len, raw, (size_t)len, why);
  return report(rc, which, why, detail);
}

/* Verifies a signature over the statement: the notice's in base64, or the user's. */
static int verify_statement(const struct ik_announcement *announcement,
                            const struct iotkit_fetch_options *options,
                            const struct ik_signature *given, char *detail) {
  char why[IOTKIT_DETAIL_MAX] = "";
  struct ik_buf text;
  if (options->product_key == NULL) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "product_key: is needed for a statement");
  }
  ik_buf_init(&text, IOTKIT_STATEMENT_MAX - 1);
  int rc = ik_statement_write(&text, options->product_key, announcement);
  const void *message = ik_buf_ptr(&text);
  const size_t len = ik_buf_size(&text);
  if (rc == 0 && given == NULL) {
    rc = verify_base64(announcement->upgrade.statement_sign, "extData." IK_STATEMENT_FIELD,
                       options->keys, message, len, detail);
  } else if (rc == 0) {
    rc = iotkit_verify(options->keys, message, len, given->bytes, given->len, why);
    rc = report(rc, "signature", why, detail);
  }
  ik_buf_free(&text);
  return rc;
}

/* The user's; one over the image is verified with the SHA-256 value that was announced for it. */
static int verify_given(const struct ik_announcement *announcement,
                        const struct iotkit_fetch_options *options,
                        const struct ik_signature *signature, char *detail) {
  char why[IOTKIT_DETAIL_MAX] = "";
  const struct iotkit_upgrade *upgrade = &announcement->upgrade;
  int rc;
  if (signature->over == IOTKIT_SIGNED_STATEMENT) {
    return verify_statement(announcement, options, signature, detail);
  }
  if (signature->over == IOTKIT_SIGNED_IMAGE) {
    rc =
        iotkit_verify_sha256(options->keys, upgrade->digest, signature->bytes, signature->len, why);
  } else {
    rc = iotkit_verify(options->keys, upgrade->digest, digest_len(upgrade), signature->bytes,
                       signature->len, why);
  }
  return report(rc, "signature", why, detail);
}

/* Which signatures there are. */
struct forms {
  bool digest;
  bool statement; /* of the notice, and we know what product it must name */
  bool given;
};

/* What the policy misses, before any signature is looked at. */
static int check_presence(const struct iotkit_fetch_options *options, const struct forms *have,
                          const struct ik_signature *given, char *detail) {
  bool states = have->statement || (have->given && given->over == IOTKIT_SIGNED_STATEMENT);
  if (options->require_statement && !states) {
    return ik_refuse(detail, IK_ESIGNATURE_MISSING,
                     "extData." IK_STATEMENT_FIELD ": is missing, which require_statement "
                     "(verify.requireStatement) asks for");
  }
  if (have->digest || have->statement || have->given || options->allow_unsigned) return 0;
  return ik_refuse(detail, IK_ESIGNATURE_MISSING,
                   "digestsign: is missing, and no other signature was given; allow_unsigned "
                   "(verify.allowUnsigned) would take it all the same");
}

int ik_verify_announced(const struct ik_announcement *announcement,
                        const struct iotkit_fetch_options *options,
                        const struct ik_signature *signature, char *detail) {
  const struct iotkit_upgrade *upgrade = &announcement->upgrade;
  const struct forms have = {.digest = upgrade->digest_sign[0] != '\0',
                             .statement =
                                 upgrade->statement_sign[0] != '\0' && options->product_key != NULL,
                             .given = signature->bytes != NULL};
  /* The platform signs no configuration: only a signature of the user's own is verified. */
  if (announcement->config != NULL && !have.given) return 0;
  if (options->keys == NULL && (have.given || options->require_signature)) {
    return ik_refuse(detail, IK_EPUBLIC_KEY, "no public key is there to verify the signature with");
  }
  if (options->keys == NULL) return 0;
  int rc = check_presence(options, &have, signature, detail);
  if (rc == 0 && have.digest) {
    rc = verify_base64(upgrade->digest_sign, "digestsign", options->keys, upgrade->digest,
                       digest_len(upgrade), detail);
  }
  if (rc == 0 && have.statement) rc = verify_statement(announcement, options, NULL, detail);
  if (rc == 0 && have.given) rc = verify_given(announcement, options, signature, detail);
  return rc;
}

/* ---- signatures of the user's own ---- */

/* Whether there is one digest that a signature of this kind can be verified with. */
static bool can_verify(const struct iotkit_upgrade *upgrade, enum iotkit_signed what) {
  if (what == IOTKIT_SIGNED_IMAGE) return upgrade->digest_method == IOTKIT_DIGEST_SHA256;
  return upgrade->digest_method != IOTKIT_DIGEST_NONE;
}

static int copy_bytes(const void *bytes, size_t len, struct ik_signature *to) {
  to->bytes = malloc(len);
  if (to->bytes == NULL) return IK_ENO_MEMORY;
  memcpy(to->bytes, bytes, len);
  to->len = len;
  return 0;
}

int ik_signature_init(struct ik_signature *signature, const struct iotkit_upgrade *upgrade,
                      enum iotkit_signed over, const void *bytes, size_t len) {
  *signature = (struct ik_signature){.over = over};
  if (bytes == NULL || len == 0) return IK_EINVALID_ARGUMENT;
  if (over < IOTKIT_SIGNED_DIGEST || over > IOTKIT_SIGNED_STATEMENT) return IK_EINVALID_ARGUMENT;
  if (len > IK_SIGNATURE_MAX) return IK_ETOO_LONG;
  if (!can_verify(upgrade, over)) return IK_EUNSUPPORTED;
  return copy_bytes(bytes, len, signature);
}

int ik_signature_copy(const struct ik_signature *from, struct ik_signature *to) {
  *to = (struct ik_signature){.over = from->over};
  return from->bytes != NULL ? copy_bytes(from->bytes, from->len, to) : 0;
}

void ik_signature_free(struct ik_signature *signature) {
  free(signature->bytes);
  *signature = (struct ik_signature){0};
}
