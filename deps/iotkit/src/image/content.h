/*
 * content.h - whether the bytes of a file are the ones that were announced.
 */
#ifndef IK_IMAGE_CONTENT_H
#define IK_IMAGE_CONTENT_H

#include "iotkit_ota.h"
#include "port/port.h"

/*
 * Whether bytes [base, base + size) have that digest: 1 or 0, or an error of reading them, with
 * `detail`. All of them are read.
 */
int ik_content_has_digest(struct ik_osfile *os, uint64_t base, uint64_t size,
                          enum iotkit_digest_method method, const uint8_t *digest, char *detail);
/* Writes bytes [0, size) of `from` to the same place of `to`. IK_EFILE: it has fewer. */
int ik_content_copy(struct ik_osfile *to, struct ik_osfile *from, uint64_t size, char *detail);
/* The digest of bytes [base, base + size); its length, or an error of reading them. */
int ik_content_digest(struct ik_osfile *os, uint64_t base, uint64_t size,
                      enum iotkit_digest_method method, uint8_t out[IOTKIT_DIGEST_MAX],
                      char *detail);

#endif
