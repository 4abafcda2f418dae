/*
 * file.c - files by position. A handle is one descriptor, owned by who opened it; closing also ends
 * its lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

#include "base/limits.h"
#include "port/posix/posix.h"

#define LOCK_TRIES 16

int ik_posix_file_error(int error) {
  switch (error) {
  case ENOSPC:
#if defined(EDQUOT)
  case EDQUOT:
#endif
    return IK_ENO_SPACE;
  case EACCES:
  case EPERM:
  case EROFS:
    return IK_EFILE_ACCESS;
  case ENOENT:
  case ENOTDIR:
    return IK_EFILE_NOT_FOUND;
  case ENOMEM:
    return IK_ENO_MEMORY;
  case ENAMETOOLONG:
    return IK_EINVALID_ARGUMENT;
  default:
    return IK_EFILE;
  }
}

int ik_posix_file_fail(const char *verb, const char *path, int error, char *detail) {
  char text[IK_ERRNO_TEXT_MAX];
  ik_detail(detail, "cannot %s %s: %s", verb, path, ik_posix_errno_text(error, text));
  return ik_posix_file_error(error);
}

#if defined(__linux__)
static bool is_block_device(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}
#endif

static int open_flags(const char *path, int flags) {
  /* O_NONBLOCK: a FIFO in the place of a file must not stop the thread; regular files and disks do
   * not heed it. */
  int os = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  if ((flags & IK_OSFILE_READ) && (flags & IK_OSFILE_WRITE))
    os |= O_RDWR;
  else
    os |= (flags & IK_OSFILE_WRITE) ? O_WRONLY : O_RDONLY;
  if (flags & IK_OSFILE_CREATE) os |= O_CREAT;
  if (flags & (IK_OSFILE_CREATE | IK_OSFILE_WRITE)) os |= O_NOFOLLOW;
#if defined(__linux__)
  /* Without O_CREAT it means: nobody else has claimed the device, no mount above all. */
  if ((flags & IK_OSFILE_EXCLUSIVE) && is_block_device(path)) os |= O_EXCL;
#else
  (void)path;
#endif
  return os;
}

static int open_path(const char *path, int flags, uint32_t mode, int *out, char *detail) {
  struct stat st;
  int fd;
  IK_RETRY(fd, open(path, open_flags(path, flags), (mode_t)mode));
  if (fd < 0 && errno == EBUSY) {
    return ik_refuse(detail, IK_EFILE_LOCKED, "cannot open %s: it is mounted or in use", path);
  }
  if (fd < 0) {
    if (errno != ELOOP) return ik_posix_file_fail("open", path, errno, detail);
    return ik_refuse(detail, IK_EFILE_ACCESS, "cannot open %s: it is a symbolic link", path);
  }
  if (fstat(fd, &st) != 0) {
    int rc = ik_posix_file_fail("look at", path, errno, detail);
    close(fd);
    return rc;
  }
  if (S_ISDIR(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) {
    close(fd);
    return ik_refuse(detail, IK_EFILE, "cannot open %s: it is neither a file nor a device", path);
  }
  *out = fd;
  return 0;
}

int ik_posix_at(int fd, const char *path) {
  struct stat held, there;
  int rc;
  IK_RETRY(rc, fstat(fd, &held));
  if (rc != 0) return -1;
  IK_RETRY(rc, lstat(path, &there));
  if (rc != 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
  return held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

int ik_posix_lock(int fd, const char *path, char *detail) {
  int rc;
  IK_RETRY(rc, flock(fd, LOCK_EX | LOCK_NB));
  /* Between opening and locking, its last holder may have renamed or removed it. */
  int at = rc == 0 ? ik_posix_at(fd, path) : -1;
  if (at == 1) return 0;
  int error = errno;
  close(fd);
  if (at == 0) return IK_POSIX_MOVED;
  if (rc == 0) return ik_posix_file_fail("look at", path, error, detail);
  if (error != EWOULDBLOCK) return ik_posix_file_fail("lock", path, error, detail);
  return ik_refuse(detail, IK_EFILE_LOCKED, "%s is being written by another process or download",
                   path);
}

static int open_locked(const char *path, int flags, uint32_t mode, int *out, char *detail) {
  for (int i = 0; i < LOCK_TRIES; i++) {
    int rc = open_path(path, flags, mode, out, detail);
    if (rc == 0) rc = ik_posix_lock(*out, path, detail);
    if (rc != IK_POSIX_MOVED) return rc;
  }
  return ik_refuse(detail, IK_EFILE_LOCKED, "%s is moved again and again", path);
}

int ik_posix_adopt(int fd, const char *path, struct ik_osfile **out) {
  struct stat st;
  size_t size = strlen(path) + 1;
  struct ik_osfile *file = malloc(sizeof *file + size);
  if (file == NULL) {
    close(fd);
    return IK_ENO_MEMORY;
  }
  file->fd = fd;
  file->is_block_device = fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
  memcpy(file->path, path, size);
  *out = file;
  return 0;
}

static int empty(int fd) {
  struct stat st;
  int rc = 0;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) IK_RETRY(rc, ftruncate(fd, 0));
  return rc;
}

int ik_osfile_open(const char *path, int flags, uint32_t mode, struct ik_osfile **out,
                   char *detail) {
  int fd, rc;

  *out = NULL;
  size_t len = strnlen(path, IK_PATH_MAX);
  if (len == 0 || len == IK_PATH_MAX) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     len == 0 ? "the path is empty" : "the path is too long");
  }
  rc = (flags & IK_OSFILE_LOCK) ? open_locked(path, flags, mode, &fd, detail)
                                : open_path(path, flags, mode, &fd, detail);
  if (rc != 0) return rc;
  /* Emptied after it is locked, not by O_TRUNC: it may be another writer's until then. */
  if ((flags & IK_OSFILE_TRUNCATE) && empty(fd) != 0) {
    rc = ik_posix_file_fail("empty", path, errno, detail);
    close(fd);
    return rc;
  }
  return ik_posix_adopt(fd, path, out);
}

void ik_osfile_close(struct ik_osfile *file) {
  if (file == NULL) return;
  close(file->fd);
  free(file);
}

int64_t ik_osfile_read(struct ik_osfile *file, uint64_t offset, void *buf, size_t len,
                       char *detail) {
  uint8_t *to = buf;
  size_t done = 0;
  while (done < len) {
    ssize_t n = pread(file->fd, to + done, len - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ik_posix_file_fail("read", file->path, errno, detail);
    if (n == 0) break;
    done += (size_t)n;
  }
  return (int64_t)done;
}

int ik_osfile_write(struct ik_osfile *file, uint64_t offset, const void *data, size_t len,
                    char *detail) {
  const uint8_t *from = data;
  size_t done = 0;
  while (done < len) {
    ssize_t n = pwrite(file->fd, from + done, len - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ik_posix_file_fail("write", file->path, n < 0 ? errno : ENOSPC, detail);
    done += (size_t)n;
  }
  return 0;
}

int ik_osfile_truncate(struct ik_osfile *file, uint64_t size, char *detail) {
  int rc;
  IK_RETRY(rc, ftruncate(file->fd, (off_t)size));
  return rc == 0 ? 0 : ik_posix_file_fail("resize", file->path, errno, detail);
}

int ik_osfile_at(struct ik_osfile *file, const char *path, char *detail) {
  int rc = ik_posix_at(file->fd, path);
  return rc < 0 ? ik_posix_file_fail("look at", path, errno, detail) : rc;
}

bool ik_osfile_is_at(struct ik_osfile *file, const char *path) {
  return ik_posix_at(file->fd, path) == 1;
}

int ik_osfile_size(struct ik_osfile *file, uint64_t *size, char *detail) {
  struct stat st;
  if (fstat(file->fd, &st) != 0) return ik_posix_file_fail("look at", file->path, errno, detail);
  if (S_ISBLK(st.st_mode)) {
    off_t end = lseek(file->fd, 0, SEEK_END);
    if (end < 0) return ik_posix_file_fail("look at", file->path, errno, detail);
    *size = (uint64_t)end;
    return 0;
  }
  if (!S_ISREG(st.st_mode)) return ik_refuse(detail, IK_EFILE, "%s has no size", file->path);
  *size = (uint64_t)st.st_size;
  return 0;
}

uint64_t ik_osfile_allocated(struct ik_osfile *file) {
  struct stat st;
  if (fstat(file->fd, &st) != 0 || st.st_blocks < 0) return 0;
  return (uint64_t)st.st_blocks * 512; /* whatever st_blksize is */
}

int ik_osfile_reserve(struct ik_osfile *file, uint64_t offset, uint64_t len, char *detail) {
#if defined(__linux__) && defined(FALLOC_FL_KEEP_SIZE)
  int rc;
  if (len == 0) return 0;
  if (offset > INT64_MAX || len > INT64_MAX - offset)
    return ik_posix_file_fail("reserve space for", file->path, EFBIG, detail);
  /* not posix_fallocate(), which writes where the file system cannot reserve */
  IK_RETRY(rc, fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len));
  if (rc == 0) return 0;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
    return ik_posix_file_fail("reserve space for", file->path, errno, detail);
#else
  (void)file, (void)offset, (void)len, (void)detail;
#endif
  return IK_EUNSUPPORTED;
}

void ik_osfile_start_writeback(struct ik_osfile *file, uint64_t offset, uint64_t len) {
#if defined(__linux__) && defined(SYNC_FILE_RANGE_WRITE)
  /* What it says does not matter: commit syncs, and until then nothing is trusted unread. */
  (void)sync_file_range(file->fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
#else
  (void)file, (void)offset, (void)len;
#endif
}

bool ik_osfile_has_hole(struct ik_osfile *file, uint64_t size) {
#if defined(SEEK_HOLE)
  off_t hole = size > 0 ? lseek(file->fd, 0, SEEK_HOLE) : -1;
  return hole >= 0 && (uint64_t)hole < size;
#else
  (void)file, (void)size;
  return false;
#endif
}

static int flush(int fd) {
#if defined(F_FULLFSYNC)
  /* fsync() leaves it in the drive's cache there. */
  if (fcntl(fd, F_FULLFSYNC) == 0) return 0;
#endif
  return fsync(fd);
}

int ik_osfile_sync(struct ik_osfile *file, char *detail) {
  int rc;
  IK_RETRY(rc, flush(file->fd));
  if (rc != 0 && errno != EINVAL) return ik_posix_file_fail("sync", file->path, errno, detail);
    /* EINVAL: a device that keeps nothing back */
#if defined(__linux__) && defined(BLKFLSBUF)
  /* Who mounts or reads it next sees what the device has; needs a privilege, so only if it can. */
  if (file->is_block_device) (void)ioctl(file->fd, BLKFLSBUF, 0);
#endif
  return 0;
}
