/*
 * commit_note.h - which parts of a directory are to be renamed, so that a crash between two renames
 * can be made good: the format of `.iotkit-commit`, and nothing but the format.
 *
 *   "IKCMIT\r\n", version, number of files, 2 × 0; of each file: digest method, length of its name,
 *   size, digest, name; at the end the CRC-32 of all before it
 *
 * Numbers are big-endian. A note that is torn or damaged is none: nothing was renamed then.
 */
#ifndef IK_IMAGE_COMMIT_NOTE_H
#define IK_IMAGE_COMMIT_NOTE_H

#include "base/buf.h"
#include "iotkit_ota.h"

#define IK_COMMIT_NAME_MAX 255 /* bytes of a file's name */
#define IK_COMMIT_NOTE_MAX ((size_t)(16 + IOTKIT_FILES_MAX * (42 + IK_COMMIT_NAME_MAX)))

struct ik_commit_file {
  char name[IK_COMMIT_NAME_MAX + 1]; /* the final one, one path component */
  uint64_t size;
  enum iotkit_digest_method method; /* NONE: not known, so that nobody can act on it */
  uint8_t digest[IOTKIT_DIGEST_MAX];
};

/* One path component that is no directory's, nor the note's own. */
bool ik_commit_name_valid(struct ik_str name);
/* 1 to IOTKIT_FILES_MAX files with valid names; `out` may hold IK_COMMIT_NOTE_MAX bytes. */
int ik_commit_note_put(const struct ik_commit_file *files, size_t count, struct ik_buf *out);
/* How many files it names, or -1: it is no whole note. */
ptrdiff_t ik_commit_note_read(const uint8_t *data, size_t len,
                              struct ik_commit_file files[IOTKIT_FILES_MAX]);

#endif
