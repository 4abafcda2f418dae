/*
 * original.h - an image file that was verified and committed, kept open so that other files are made
 * from it.
 *
 * It stays what it was when its name is removed or given to another file. Counted by references; it
 * does not change once the commit is over, so that any number of threads may copy from it.
 */
#ifndef IK_IMAGE_ORIGINAL_H
#define IK_IMAGE_ORIGINAL_H

#include <stdatomic.h>

#include "image/file.h"

struct iotkit_original {
  atomic_uint refs;
  struct ik_osfile *os; /* for reading, without a lock */
  char *path; /* the name that it was committed to, owned; it may be another file's by now */
  struct ik_journal_key key;  /* of the image */
  struct ik_file_stamp stamp; /* when it was finished, before it got its name; zeros until then */
};

/*
 * Of a file that holds all of the image `key` and is about to be committed, which notes its stamp here:
 * the reference is to be kept until the commit is over, or the file released. NULL: there is none, such
 * as of a target in place.
 */
struct iotkit_original *ik_original_open(struct iotkit_file *file,
                                         const struct ik_journal_key *key);
/* After the commit: whether it is known what the file was when it was finished. */
bool ik_original_is_settled(const struct iotkit_original *original);
/* Whether nobody has changed what is in it since it was finished, by what its size and time show. */
bool ik_original_is_unchanged(const struct iotkit_original *original);

/*
 * Makes `file` a hard link of the original, which it is from its commit on; until then it has a name of its own
 * beside the part. Only of an original that our user owns, that has the owner and mode which the file would get,
 * that is unchanged and still has its name, on the same file system. IK_EUNSUPPORTED: not here; the file is
 * empty, or as it was. Other errors as of iotkit_file_rewind(). With `detail`.
 */
int ik_file_link(struct iotkit_file *file, const struct iotkit_original *original, char *detail);

/* How far a copy is to be trusted. */
enum ik_copied {
  IK_COPIED_SHARED, /* it has the very bytes of the original on the disk */
  IK_COPIED_BYTES   /* they were copied */
};
/*
 * Makes `file`, which begins at byte 0 again, the image of the original. Between parts of it `stops`
 * is asked: true, IK_EABORTED. IK_ECHANGED: the original cannot be read, or has too few bytes.
 * Errors of writing as of iotkit_file_write(). With `detail`.
 */
int ik_file_copy(struct iotkit_file *file, const struct iotkit_original *original,
                 bool (*stops)(void *ctx), void *ctx, enum ik_copied *how, char *detail);

#endif
