/*
 * file.h - the inside of an image file, for file.c (its life), file_journal.c (how far it is
 * proven), file_commit.c (the final name) and file_recover.c.
 */
#ifndef IK_API_FILE_H
#define IK_API_FILE_H

#include <stdatomic.h>

#include "iotkit_file.h"
#include "ota/journal.h"
#include "port/port.h"

#define IK_PART_SUFFIX ".part"
#define IK_JOURNAL_SUFFIX ".part.journal"

struct iotkit_file {
  char *path;
  char *part;
  char *directory;
  struct ik_osfile *os; /* of the part, or of the target in place; holds the lock */
  bool in_place;
  uint32_t mode;
  uint64_t base;             /* where the image begins in `os` */
  uint64_t size;             /* announced; 0: unknown */
  uint64_t limit;            /* most bytes of the image that `os` takes */
  atomic_uint_least64_t end; /* behind the last byte written; written by the writing thread alone */
  uint64_t flushing;         /* up to here it was given to the disk */
  struct ik_journal_key key; /* method NONE: there is none */

  /* The thread that digests: it must not wait for the writing one. */
  char *journal_path;
  struct ik_osfile *journal; /* NULL: there is none */
  uint32_t header_crc;
  struct ik_journal_record *records; /* IK_JOURNAL_RECORDS_MAX */
  size_t record_count;               /* those that stand in the journal */
};

/* "<path><suffix>"; NULL: out of memory. */
char *ik_file_name(const char *path, const char *suffix);
/* Closes and frees; removes nothing. */
void ik_file_free(struct iotkit_file *file);
/* Removes part and journal, but only if they are this file's own. */
void ik_file_remove(struct iotkit_file *file);
/* 0 if what another program has left of it is still what was written, as far as that is to be seen
 * without reading it. */
int ik_file_untouched(struct iotkit_file *file, char *detail);

/* ---- file_commit.c ---- */

/* Whether iotkit_file_commit_all() takes them, as far as their names go. */
int ik_file_check_set(iotkit_file_t *const *files, size_t count, char *detail);

/* ---- file_journal.c ---- */

/*
 * Opens the journal and reads it: record_count > 0 where it is of the same key. `given`: the caller
 * named its path, so that not having one is an error.
 */
int ik_file_journal_open(struct iotkit_file *file, bool given, char *detail);
/* Empties it. */
void ik_file_journal_reset(struct iotkit_file *file);
/* Notes how far the job has digested, if that is behind the last record. */
void ik_file_journal_add(struct iotkit_file *file, iotkit_job_t *job);
/*
 * Whether bytes [base, base + size) have that digest: 1 or 0, or an error of reading them. All are
 * read.
 */
int ik_file_has_digest(struct ik_osfile *os, uint64_t base, uint64_t size,
                       enum iotkit_digest_method method, const uint8_t *digest);

#endif
