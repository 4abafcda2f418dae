/*
 * journal.h - the file beside a part that says how far it is proven: a record for each checkpoint,
 * with the digest of all bytes before it.
 *
 * The journal only says where to look: a part is trusted up to the last record whose digest its own
 * bytes have, so neither needs a sync and no damage to either can make a wrong image. A journal
 * that cannot be written is given up: then the image is not resumed, that is all.
 *
 * Belongs to its file. Thread: the one that digests, which must not wait for the one that writes.
 */
#ifndef IK_IMAGE_JOURNAL_H
#define IK_IMAGE_JOURNAL_H

#include "image/journal_format.h"
#include "port/port.h"

struct ik_file_journal {
  char *path;                /* owned */
  struct ik_journal_key key; /* of the image; method NONE: it has none, and no journal */
  struct ik_osfile *os;      /* holds the lock; NULL: there is no journal */
  uint32_t header_crc;
  struct ik_journal_record *records; /* owned; IK_JOURNAL_RECORDS_MAX once it was opened */
  size_t count;                      /* records that stand in the journal */
};

/*
 * Opens and reads it: count > 0 where it is of the same key. `given`: the caller named its path, so
 * that not having one is an error.
 */
int ik_file_journal_open(struct ik_file_journal *journal, bool given, char *detail);
/* Empties it. Without one it does nothing. */
void ik_file_journal_reset(struct ik_file_journal *journal);
/* How far the last record proves the image; 0: there is none. */
uint64_t ik_file_journal_offset(const struct ik_file_journal *journal);
/* Where the next record is due. */
uint64_t ik_file_journal_due(const struct ik_file_journal *journal);
/*
 * Adds that the first `offset` bytes have this digest of `len` bytes; ignored unless that lies
 * after the last record.
 */
void ik_file_journal_add(struct ik_file_journal *journal, uint64_t offset, const uint8_t *digest,
                         size_t len);
/*
 * The records after the first `count` were found to be wrong. They are overwritten by later ones.
 */
void ik_file_journal_trim(struct ik_file_journal *journal, size_t count);
/* Removes the file, but only if it is this journal's own. */
void ik_file_journal_remove(struct ik_file_journal *journal);
/* Closes and frees what it owns; removes nothing. */
void ik_file_journal_free(struct ik_file_journal *journal);

#endif
