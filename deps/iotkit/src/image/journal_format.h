/*
 * journal_format.h - how far an image that is being written is proven: the format of the file
 * beside a part, and nothing but the format.
 *
 *   header   64 bytes  "IKJRNL\r\n", version, digest method, 2 × 0, size, base, digest, CRC-32
 *   records  44 bytes  offset, the digest of all bytes before it, CRC-32
 *
 * Numbers are big-endian. The header is the key: a journal of another image is not used. Each
 * CRC continues where the one before it ended, so a record is valid only after the records it was
 * written after, and the first that is torn, damaged or absurd is the end of the journal. A CRC
 * finds damage; that a record is true only the bytes of the part show.
 */
#ifndef IK_IMAGE_JOURNAL_FORMAT_H
#define IK_IMAGE_JOURNAL_FORMAT_H

#include "base/buf.h"
#include "iotkit_ota.h"

#define IK_JOURNAL_HEADER ((size_t)64)
#define IK_JOURNAL_RECORD ((size_t)44)
/*
 * A record is due each size / 256 bytes, and one more when a download is left. Who leaves one
 * before it is due overwrites the last of two that are as near as that: there are never more than
 * two for each distance.
 */
#define IK_JOURNAL_RECORDS_MAX ((size_t)520)
#define IK_JOURNAL_MAX (IK_JOURNAL_HEADER + IK_JOURNAL_RECORDS_MAX * IK_JOURNAL_RECORD)

/* What a journal is of. `digest` is padded with zeros. */
struct ik_journal_key {
  enum iotkit_digest_method method; /* MD5 or SHA256 */
  uint8_t digest[IOTKIT_DIGEST_MAX];
  uint64_t size; /* bytes, 1 to IK_IMAGE_MAX */
  uint64_t base; /* where the image begins in its target */
};

struct ik_journal_record {
  uint64_t offset; /* 1 to the image's size, above that of the record before */
  uint8_t digest[IOTKIT_DIGEST_MAX];
  uint32_t crc; /* what the next record's CRC continues from */
};

/* A key that can have a journal. */
bool ik_journal_key_valid(const struct ik_journal_key *key);
/* How far apart records are due. */
uint64_t ik_journal_distance(uint64_t size);

/* Writes a header; returns its CRC, from which the first record continues. */
uint32_t ik_journal_put_header(const struct ik_journal_key *key, uint8_t out[IK_JOURNAL_HEADER]);
/* Writes a record to follow the header or record of which `crc` is; sets the record's own. */
void ik_journal_put_record(uint32_t crc, struct ik_journal_record *record,
                           uint8_t out[IK_JOURNAL_RECORD]);
/*
 * Reads a journal of `key`. Returns how many records stand in it, -1: it is none, or of another
 * key. `crc` gets the header's.
 */
ptrdiff_t ik_journal_read(const struct ik_journal_key *key, const uint8_t *data, size_t len,
                          uint32_t *crc, struct ik_journal_record records[IK_JOURNAL_RECORDS_MAX]);

#endif
