/*
 * file.c - an image file that appears whole under its name or not at all.
 *
 * The part is created, locked, then emptied, in this order: emptying first would destroy the work
 * of whoever holds the lock. It keeps its lock until it is renamed or removed. iotkit_file_t is
 * owned by the caller between open and commit or discard, which free it.
 */
#include "iotkit_file.h"

#include <stdlib.h>
#include <string.h>

#include "../base/limits.h"
#include "../port/port.h"

#define PART_SUFFIX ".part"
#define DEFAULT_MODE 0644

struct iotkit_file {
  char *path;
  char *part;
  char *directory;
  struct ik_osfile *os; /* of the part */
  uint64_t end;         /* behind the last byte written */
};

static int check_path(const char *path, char *detail) {
  struct ik_str text = ik_str(path);
  struct ik_path_info info;
  int rc;
  if (text.len == 0) {
    ik_detail(detail, "path is empty");
    return IK_EINVALID_ARGUMENT;
  }
  if (text.len + sizeof PART_SUFFIX > IK_PATH_MAX) {
    ik_detail(detail, "path of %zu bytes is too long", text.len);
    return IK_EINVALID_ARGUMENT;
  }
  if (path[text.len - 1] == '/') {
    ik_detail(detail, "%s: is a directory", path);
    return IK_EINVALID_ARGUMENT;
  }
  rc = ik_path_info(path, &info, detail);
  if (rc < 0) return rc;
  if (info.exists && !info.is_regular) {
    ik_detail(detail, "%s: is %s", path, info.is_directory ? "a directory" : "no regular file");
    return IK_EINVALID_ARGUMENT;
  }
  return 0;
}

static char *parent_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ik_str_dup(IK_STR("."));
  return ik_str_dup((struct ik_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

static char *part_of(const char *path) {
  struct ik_buf text;
  char *part = NULL;
  ik_buf_init(&text, IK_PATH_MAX);
  if (ik_buf_printf(&text, "%s" PART_SUFFIX, path) == 0) {
    part = ik_str_dup((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)});
  }
  ik_buf_free(&text);
  return part;
}

static void free_file(struct iotkit_file *file) {
  if (file->os) ik_osfile_close(file->os);
  free(file->path);
  free(file->part);
  free(file->directory);
  free(file);
}

/* Only if it is ours: somebody may have put another file in its place. */
static void remove_part(struct iotkit_file *file) {
  if (ik_osfile_is_at(file->os, file->part)) ik_path_remove(file->part);
}

/* The lock keeps out our own kind alone. What another program has put in the part's place, or cut,
 * was not verified and must not get the final name. */
static int check_part(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_path_info part = {0};
  uint64_t there;
  int rc = ik_osfile_size(file->os, &there, detail);
  if (rc == 0) rc = ik_path_info(file->part, &part, detail);
  if (rc < 0 || !part.exists) return rc; /* renaming nothing says it better */
  if (there == size && ik_osfile_is_at(file->os, file->part)) return 0;
  ik_detail(detail, "%s was changed by another program", file->part);
  return IK_EFILE;
}

static int check_space(const struct iotkit_file *file, uint64_t size, char *detail) {
  uint64_t available;
  int rc = ik_path_free_space(file->directory, &available);
  if (rc < 0) return 0; /* a file system that cannot say so may still have it */
  if (available >= size) return 0;
  ik_detail(detail, "%s: %llu bytes needed, %llu free", file->directory, (unsigned long long)size,
            (unsigned long long)available);
  return IK_ENO_SPACE;
}

static int open_part(struct iotkit_file *file, const struct iotkit_file_options *options,
                     char *detail) {
  uint32_t mode = options && options->mode ? options->mode : DEFAULT_MODE;
  int rc = ik_osfile_open(file->part, IK_OSFILE_WRITE | IK_OSFILE_CREATE | IK_OSFILE_LOCK, mode,
                          &file->os, detail);
  if (rc < 0) return rc;
  rc = ik_osfile_truncate(file->os, 0, detail);
  if (rc == 0 && options) rc = check_space(file, options->size, detail);
  if (rc < 0) remove_part(file);
  return rc;
}

int iotkit_file_open(const char *path, const struct iotkit_file_options *options,
                     iotkit_file_t **out, char *detail) {
  struct iotkit_file *file;
  int rc;

  if (!out) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  rc = check_path(path, detail);
  if (rc < 0) return rc;
  file = calloc(1, sizeof *file);
  if (!file) return IK_ENO_MEMORY;
  file->path = ik_str_dup(ik_str(path));
  file->part = part_of(path);
  file->directory = parent_of(path);
  rc = IK_ENO_MEMORY;
  if (file->path && file->part && file->directory) rc = open_part(file, options, detail);
  if (rc < 0) {
    free_file(file);
    return rc;
  }
  *out = file;
  return 0;
}

int iotkit_file_write(iotkit_file_t *file, uint64_t offset, const void *data, size_t len,
                      char *detail) {
  int rc;
  if (!file || (!data && len > 0) || offset > INT64_MAX || len > INT64_MAX - offset) {
    ik_detail(detail, "no file, no data or an offset out of range");
    return IK_EINVALID_ARGUMENT;
  }
  if (len == 0) return 0;
  rc = ik_osfile_write(file->os, offset, data, len, detail);
  if (rc < 0) return rc;
  if (offset + len > file->end) file->end = offset + len;
  return 0;
}

/* All up to where the final name changes hands. */
static int finish(struct iotkit_file *file, uint64_t size, char *detail) {
  struct ik_path_info target;
  int rc;
  if (size > file->end) {
    ik_detail(detail, "%s: %llu bytes were written, not %llu", file->part,
              (unsigned long long)file->end, (unsigned long long)size);
    return IK_ESIZE_MISMATCH;
  }
  if (size < file->end) {
    rc = ik_osfile_truncate(file->os, size, detail);
    if (rc < 0) return rc;
  }
  rc = ik_path_info(file->path, &target, detail);
  if (rc == 0 && target.is_regular) rc = ik_osfile_copy_owner(file->os, file->path);
  if (rc == 0) rc = ik_osfile_sync(file->os, detail);
  if (rc == 0) rc = check_part(file, size, detail);
  if (rc == 0) rc = ik_path_rename(file->part, file->path, detail);
  return rc;
}

int iotkit_file_commit(iotkit_file_t *file, uint64_t size, char *detail) {
  int rc;
  if (!file) return IK_EINVALID_ARGUMENT;
  rc = finish(file, size, detail);
  if (rc < 0) {
    remove_part(file);
  } else {
    /* From here on the part's name is free again and may belong to another writer. */
    rc = ik_path_sync_directory(file->directory, detail);
  }
  free_file(file);
  return rc;
}

void iotkit_file_discard(iotkit_file_t *file) {
  if (!file) return;
  remove_part(file);
  free_file(file);
}
