/*
 * path.c - what is at a path, and moving, removing and making durable what is there. No state.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "posix.h"

static int fail(const char *verb, const char *path, int error, char *detail) {
  char text[IK_ERRNO_TEXT_MAX];
  ik_detail(detail, "cannot %s %s: %s", verb, path, ik_posix_errno_text(error, text));
  return ik_posix_file_error(error);
}

/* stat() says 0 for a device; its end is where its size is. */
static uint64_t device_size(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return 0;
  off_t end = lseek(fd, 0, SEEK_END);
  close(fd);
  return end < 0 ? 0 : (uint64_t)end;
}

int ik_path_info(const char *path, struct ik_path_info *out, char *detail) {
  struct stat st;
  *out = (struct ik_path_info){0};
  if (stat(path, &st) != 0) {
    if (errno == ENOENT) return 0;
    return fail("look at", path, errno, detail);
  }
  out->exists = true;
  out->is_regular = S_ISREG(st.st_mode);
  out->is_directory = S_ISDIR(st.st_mode);
  out->is_block_device = S_ISBLK(st.st_mode);
  out->size = out->is_block_device ? device_size(path) : (uint64_t)st.st_size;
  return 0;
}

int ik_path_free_space(const char *directory, uint64_t *bytes) {
  struct statvfs fs;
  int rc;
  do {
    rc = statvfs(directory, &fs);
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return ik_posix_file_error(errno);
  *bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
  return 0;
}

int ik_path_rename(const char *from, const char *to, char *detail) {
  char text[IK_ERRNO_TEXT_MAX];
  if (rename(from, to) == 0) return 0;
  int error = errno;
  ik_detail(detail, "cannot rename %s to %s: %s", from, to, ik_posix_errno_text(error, text));
  return ik_posix_file_error(error);
}

int ik_path_remove(const char *path) {
  return unlink(path) == 0 ? 0 : ik_posix_file_error(errno);
}

int ik_path_make_directory(const char *path, uint32_t mode, char *detail) {
  struct stat st;
  if (mkdir(path, (mode_t)mode) == 0) return 0;
  int error = errno;
  if (error == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
  return fail("make", path, error, detail);
}

int ik_path_sync_directory(const char *directory, char *detail) {
  int rc, error;
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    /* A directory one may write to but not read cannot be synced; the rename stands all the same.
     */
    return errno == EACCES ? 0 : fail("open", directory, errno, detail);
  }
  do {
    rc = fsync(fd);
  } while (rc != 0 && errno == EINTR);
  error = errno;
  close(fd);
  if (rc == 0 || error == EINVAL) return 0; /* EINVAL: a file system without it */
  return fail("sync", directory, error, detail);
}
