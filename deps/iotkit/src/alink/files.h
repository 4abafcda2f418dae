/*
 * files.h - the files of an upgrade that has several.
 */
#ifndef IK_ALINK_FILES_H
#define IK_ALINK_FILES_H

#include "alink/fields.h"
#include "iotkit_ota.h"

/* Zeroed: none. */
struct ik_files {
  struct iotkit_upgrade_file *items; /* owned, with their texts; NULL: none */
  size_t count;
  uint64_t size; /* of all together */
};

/*
 * Reads the member "files" of `in`, which is there; each file's digest is of `method`. Fills `out`
 * up to the first error also when it fails; ik_files_free() in every case. Errors as of
 * ik_notice_parse(), with "files[2]: " before the field's name.
 */
int ik_files_read(const struct ik_fields *in, enum iotkit_digest_method method,
                  struct ik_files *out);
/* IK_ENO_MEMORY: `out` is then empty. */
int ik_files_copy(const struct ik_files *files, struct ik_files *out);
void ik_files_free(struct ik_files *files);
/* The same names, sizes and digests in the same order; the URLs may differ. */
bool ik_files_equal(const struct ik_files *a, const struct ik_files *b);

/*
 * Whether a file of this name may be written into a directory that the upgrade has to itself: one
 * path component, and none that the SDK's own files there could have.
 */
bool ik_file_name_valid(const char *name);

#endif
