/*
 * private_file.c - reading and making a private file. The part is the lock: whoever has it makes the
 * file, and its rename ends the turn of everybody else, who then find the file.
 */
#include "image/private_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "base/limits.h"
#include "image/names.h"
#include "port/port.h"

struct ik_private_file {
  char *path;
  char *part;
  char *directory;
  struct ik_osfile *os; /* the part */
};

/* ---- reading ---- */

static int refuse_exposed(const char *path, const char *why, char *detail) {
  return ik_refuse(detail, IK_ECREDENTIALS_EXPOSED, "%.160s %s", path, why);
}

static int open_private(const char *path, struct ik_osfile **out, char *detail) {
  struct ik_path_info info;
  int rc = ik_path_info(path, &info, detail);
  if (rc < 0) return rc;
  if (!info.exists) return ik_refuse(detail, IK_EFILE_NOT_FOUND, "%.200s is not there", path);
  if (info.is_link)
    return refuse_exposed(path, "is a symbolic link; give the path of the file itself", detail);
  if (!info.is_regular) return refuse_exposed(path, "is not a regular file", detail);
  rc = ik_osfile_open_own(path, IK_OSFILE_PRIVATE, out, detail);
  if (rc != IK_OSFILE_NOT_OURS) return rc;
  return refuse_exposed(path,
                        "belongs to another user, has other names, or may be opened by others; "
                        "chmod 600",
                        detail);
}

int ik_private_file_read(const char *path, struct ik_buf *out, char *detail) {
  struct ik_osfile *file;
  uint8_t *room;
  uint64_t size;
  int rc = open_private(path, &file, detail);
  if (rc < 0) return rc;
  rc = ik_osfile_size(file, &size, detail);
  if (rc == 0) rc = size <= out->max ? ik_buf_reserve(out, (size_t)size, &room) : IK_ETOO_LONG;
  if (rc == IK_ETOO_LONG) ik_detail(detail, "%.160s is longer than %zu bytes", path, out->max);
  if (rc == 0 && size > 0) {
    const int64_t len = ik_osfile_read(file, 0, room, (size_t)size, detail);
    if (len < 0)
      rc = (int)len;
    else if ((uint64_t)len < size)
      rc = ik_refuse(detail, IK_EFILE, "%.160s ends before its size", path);
    else
      ik_buf_commit(out, (size_t)len);
  }
  ik_osfile_close(file);
  return rc;
}

/* ---- making ---- */

int ik_private_file_lock(const char *path, uint64_t room, struct ik_private_file **out,
                         char *detail) {
  *out = NULL;
  if (strnlen(path, IK_PATH_MAX) + sizeof IK_PART_SUFFIX > IK_PATH_MAX)
    return ik_refuse(detail, IK_ETOO_LONG, "the path has more than %zu bytes",
                     IK_PATH_MAX - sizeof IK_PART_SUFFIX);
  struct ik_private_file *file = calloc(1, sizeof *file);
  if (!file) return IK_ENO_MEMORY;
  file->path = ik_file_name(path, "");
  file->part = ik_file_name(path, IK_PART_SUFFIX);
  file->directory = ik_file_directory(path);
  int rc = file->path && file->part && file->directory ? 0 : IK_ENO_MEMORY;
  if (rc == 0) rc = ik_osfile_open_own(file->part, IK_OSFILE_CREATE, &file->os, detail);
  if (rc == 0) rc = ik_osfile_reserve(file->os, 0, room, detail);
  if (rc == IK_EUNSUPPORTED) rc = 0;
  if (rc < 0) {
    ik_private_file_free(file);
    return rc;
  }
  *out = file;
  return 0;
}

static int rename_part(const struct ik_private_file *file, struct ik_osdir *directory,
                       char *detail) {
  char why[IOTKIT_DETAIL_MAX];
  int rc = ik_osfile_rename(file->os, file->part, file->path, directory, why);
  if (rc < 0) {
    ik_detail(detail, "%s", why);
    return rc;
  }
  /* It is there in any case; a power cut now may take it back. */
  int synced = ik_osdir_sync(directory, rc == 0 ? why : NULL);
  if (rc == IK_OSFILE_NOT_DURABLE || synced < 0)
    ik_log(IOTKIT_LOG_WARNING, "%s is not yet durable: %s", file->path, why);
  return 0;
}

int ik_private_file_commit(struct ik_private_file *file, const void *data, size_t len,
                           char *detail) {
  struct ik_osdir *directory = NULL;
  int rc = ik_osfile_truncate(file->os, len, detail);
  if (rc == 0) rc = ik_osfile_write(file->os, 0, data, len, detail);
  if (rc == 0) rc = ik_osfile_sync(file->os, detail);
  if (rc == 0) rc = ik_osfile_at(file->os, file->part, detail);
  if (rc == 0) rc = ik_refuse(detail, IK_EFILE, "%.160s was removed by somebody", file->part);
  if (rc > 0) rc = ik_osdir_open(file->directory, &directory, detail);
  if (rc == 0) rc = rename_part(file, directory, detail);
  ik_osdir_close(directory);
  return rc;
}

void ik_private_file_free(struct ik_private_file *file) {
  if (!file) return;
  if (file->os && ik_osfile_is_at(file->os, file->part)) (void)ik_path_remove(file->part);
  ik_osfile_close(file->os);
  free(file->directory);
  free(file->part);
  free(file->path);
  free(file);
}
