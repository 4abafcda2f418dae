/*
 * path.c - looks at a path, and moves, removes and makes durable the file at it. No state.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "port/posix/posix.h"

/* stat() says 0 for a device; its end is where its size is. */
static uint64_t device_size(const char *path) {
  int fd;
  IK_RETRY(fd, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd < 0) return 0;
  off_t end = lseek(fd, 0, SEEK_END);
  close(fd);
  return end < 0 ? 0 : (uint64_t)end;
}

int ik_path_info(const char *path, struct ik_path_info *out, char *detail) {
  struct stat st;
  int rc;
  *out = (struct ik_path_info){0};
  IK_RETRY(rc, lstat(path, &st));
  if (rc != 0) {
    if (errno == ENOENT) return 0;
    return ik_posix_file_fail("look at", path, errno, detail);
  }
  out->exists = true;
  out->is_regular = S_ISREG(st.st_mode);
  out->is_directory = S_ISDIR(st.st_mode);
  out->is_block_device = S_ISBLK(st.st_mode);
  out->is_link = S_ISLNK(st.st_mode);
  out->size = out->is_block_device ? device_size(path) : (uint64_t)st.st_size;
  return 0;
}

bool ik_path_is_same(const char *a, const char *b) {
  struct stat at_a, at_b;
  const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
  if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0) return false;
  char *dir_a = ik_str_dup((struct ik_str){a, slash_a ? (size_t)(slash_a - a) + 1 : 0});
  char *dir_b = ik_str_dup((struct ik_str){b, slash_b ? (size_t)(slash_b - b) + 1 : 0});
  bool same = dir_a && dir_b && stat(*dir_a ? dir_a : ".", &at_a) == 0 &&
              stat(*dir_b ? dir_b : ".", &at_b) == 0 && at_a.st_dev == at_b.st_dev &&
              at_a.st_ino == at_b.st_ino;
  free(dir_a);
  free(dir_b);
  return same || strcmp(a, b) == 0;
}

static int file_system_of(const char *directory, struct statvfs *out) {
  int rc;
  IK_RETRY(rc, statvfs(directory, out));
  return rc == 0 ? 0 : ik_posix_file_error(errno);
}

int ik_path_free_space(const char *directory, uint64_t *bytes) {
  struct statvfs fs;
  int rc = file_system_of(directory, &fs);
  if (rc == 0) *bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
  return rc;
}

int ik_path_total_space(const char *directory, uint64_t *bytes) {
  struct statvfs fs;
  int rc = file_system_of(directory, &fs);
  if (rc == 0) *bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_frsize;
  return rc;
}

int ik_path_rename(const char *from, const char *to, char *detail) {
  char text[IK_ERRNO_TEXT_MAX];
  int rc;
  IK_RETRY(rc, rename(from, to));
  if (rc == 0) return 0;
  int error = errno;
  ik_detail(detail, "cannot rename %s to %s: %s", from, to, ik_posix_errno_text(error, text));
  return ik_posix_file_error(error);
}

int ik_path_remove(const char *path) {
  int rc;
  IK_RETRY(rc, unlink(path));
  return rc == 0 ? 0 : ik_posix_file_error(errno);
}

int ik_path_make_directory(const char *path, uint32_t mode, char *detail) {
  struct stat st;
  int rc;
  IK_RETRY(rc, mkdir(path, (mode_t)mode));
  if (rc == 0) return 0;
  int error = errno;
  if (error == EEXIST) {
    IK_RETRY(rc, stat(path, &st));
    if (rc == 0 && S_ISDIR(st.st_mode)) return 0;
  }
  return ik_posix_file_fail("make", path, error, detail);
}

/* ---- an open directory ---- */

struct ik_osdir {
  int fd;      /* -1: one may write to it but not read it, so that it cannot be synced */
  char path[]; /* for texts of errors */
};

int ik_osdir_open(const char *directory, struct ik_osdir **out, char *detail) {
  size_t size = strlen(directory) + 1;
  *out = malloc(sizeof **out + size);
  if (*out == NULL) return IK_ENO_MEMORY;
  memcpy((*out)->path, directory, size);
  IK_RETRY((*out)->fd, open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if ((*out)->fd >= 0 || errno == EACCES) return 0;
  int rc = ik_posix_file_fail("open", directory, errno, detail);
  free(*out);
  *out = NULL;
  return rc;
}

int ik_osdir_sync(struct ik_osdir *directory, char *detail) {
  int rc;
  if (directory == NULL || directory->fd < 0) return 0;
  IK_RETRY(rc, fsync(directory->fd));
  if (rc == 0 || errno == EINVAL) return 0; /* EINVAL: a file system without it */
  return ik_posix_file_fail("sync", directory->path, errno, detail);
}

void ik_osdir_close(struct ik_osdir *directory) {
  if (directory == NULL) return;
  if (directory->fd >= 0) close(directory->fd);
  free(directory);
}

int ik_path_sync_directory(const char *directory, char *detail) {
  struct ik_osdir *open_one;
  int rc = ik_osdir_open(directory, &open_one, detail);
  if (rc != 0) return rc;
  rc = ik_osdir_sync(open_one, detail);
  ik_osdir_close(open_one);
  return rc;
}
