/*
 * file.h - an image on disk: its part, its lock, the space it needs, and the journal that says how
 * far it is proven.
 *
 * What lives in image/: everything about bytes on disk that appear whole under their name or not at
 * all. From the bottom up: names, content, journal_format, commit_note; journal; place (the final
 * names); recover (completes an interrupted commit); file; commit. It may include base/, the files and
 * digests of port/port.h, and public headers; it knows no job and no network: what a job has
 * digested comes in as an offset and a digest.
 */
#ifndef IK_IMAGE_FILE_H
#define IK_IMAGE_FILE_H

#include <stdatomic.h>

#include "image/journal.h"
#include "iotkit_file.h"
#include "port/port.h"

struct iotkit_file {
  char *path; /* where the user's path leads to, links followed */
  char *part;
  char *directory;
  struct ik_osfile *os; /* of the part, or of the target in place; holds the lock */
  bool in_place;
  bool journal_given; /* its path is the user's */
  uint32_t mode;
  uint64_t max_size;         /* bytes; 0: what is free less a reserve */
  uint64_t base;             /* where the image begins in `os` */
  uint64_t size;             /* announced; 0: unknown */
  uint64_t limit;            /* most bytes of the image that `os` takes */
  atomic_uint_least64_t end; /* after the last byte written; written by the writing thread alone */
  uint64_t flushing;         /* up to here the kernel was asked to begin writing to the disk */
  struct ik_file_journal journal; /* of the thread that digests, which may not be the writing one */
  char *link;                     /* the name that a hard link gets before the commit */
  struct ik_osfile *linked;       /* what `link` names, in the part's place; NULL: nothing */
  struct ik_file_stamp linked_stamp;
  bool defers_space; /* space is still to be provided, by the first write or rewind */
  /* Where the commit notes the finished part's stamp; another's, which outlives this. NULL: nowhere */
  struct ik_file_stamp *finished;
};

/*
 * As iotkit_file_open(), for one of several targets of an image: IK_EINVALID_ARGUMENT also if it
 * would write to a file of one of the `count` others.
 */
int ik_file_open(const char *path, const struct iotkit_file_options *options,
                 iotkit_file_t *const *others, size_t count, iotkit_file_t **out, char *detail);
/* Whether neither's part or journal is another file of the other. IK_EINVALID_ARGUMENT. */
int ik_file_check_apart(const struct iotkit_file *a, const struct iotkit_file *b, char *detail);
/*
 * Owner and mode of the file that the part replaces, if that one is ours to replace, or else those of a new
 * one. The part is opened by nobody but us until here.
 */
int ik_file_set_rights(struct iotkit_file *file, char *detail);
/* Forgets the bytes of the part, and gives their space back. Not in place. */
int ik_file_empty(struct iotkit_file *file, char *detail);
/* Removes the name that it was linked by; nothing where there is none. */
void ik_file_unlink(struct iotkit_file *file);
/* Closes and frees; removes nothing. */
void ik_file_free(struct iotkit_file *file);
/* Removes part and journal, but only if they are this file's own. */
void ik_file_remove(struct iotkit_file *file);
/*
 * 0 if no other program has cut what was written, by what its size shows. IK_EFILE, with
 * `detail`: one has.
 */
int ik_file_untouched(struct iotkit_file *file, char *detail);

/* ---- proof of what was written, for save/resume.c ---- */

/* Whether the journal says that bytes of an earlier run are there, which are then to be proven. */
bool ik_file_has_proof(const struct iotkit_file *file);
/* Reads bytes of the image; as ik_osfile_read. */
int64_t ik_file_read(struct iotkit_file *file, uint64_t offset, void *data, size_t len);
/* The first `offset` bytes are proven: writing continues there. */
void ik_file_continue_at(struct iotkit_file *file, uint64_t offset);
/* Whether a checkpoint is due when `digested` bytes are. The thread that digests. */
bool ik_file_checkpoint_due(const struct iotkit_file *file, uint64_t digested);
/*
 * Notes that the first `offset` bytes have this digest of `len` bytes, if they are written by now;
 * else the next checkpoint will. The thread that digests.
 */
void ik_file_checkpoint(struct iotkit_file *file, uint64_t offset, const uint8_t *digest,
                        size_t len);
/*
 * Ends it without a commit: what is proven stays on disk for the next run, all else is removed.
 * Frees.
 */
void ik_file_release(struct iotkit_file *file);

#endif
