/*
 * file_steps.h - ends the process, or fails, at the n-th change that it is about to make to the
 * disk. This is the test program's own rename(), unlink(), fsync() and pwrite(), which the library
 * in it then calls; and its fstatfs() and statvfs(), which may say that the
 * disk is FAT, or full; and its open(), which may refuse to hold a file that gets replaced. Of a file that is watched
 * the log says at each fsync() whether it is open.
 *
 * To be included by one file of a program.
 */
#ifndef TEST_FILE_STEPS_H
#define TEST_FILE_STEPS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define STEPS_CRASHED 77

static struct {
  int left;  /* changes before the one; -1: none is meant */
  int error; /* what it fails with; 0: the process ends before it */
  size_t count;
  char log[256];    /* r, u, f, w: which there were; F: a sync while what is watched was open */
  const char *swap; /* put in place of what is renamed next, just before */
  bool on_fat;
  uint64_t free_space; /* bytes of the disk; 0: what is there */
  ino_t watched;       /* 0: no file */
  int hold_error;      /* what open(O_PATH) fails with; 0: it does not */
} steps = {-1, 0, 0, "", NULL, false, 0, 0, 0};

/* False: fail. */
static bool step(char which) {
  if (steps.count + 1 < sizeof steps.log) {
    steps.log[steps.count++] = which;
    steps.log[steps.count] = '\0';
  }
  if (steps.left < 0 || steps.left-- > 0) return true;
  if (steps.error == 0) _exit(STEPS_CRASHED);
  errno = steps.error;
  return false;
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
  va_end(args);
  if (steps.hold_error == 0 || (flags & O_PATH) == 0) return openat(AT_FDCWD, path, flags, mode);
  errno = steps.hold_error;
  return -1;
}

int rename(const char *from, const char *to) {
  if (steps.swap != NULL) (void)renameat(AT_FDCWD, steps.swap, AT_FDCWD, from);
  steps.swap = NULL;
  return step('r') ? renameat(AT_FDCWD, from, AT_FDCWD, to) : -1;
}

int unlink(const char *path) {
  return step('u') ? unlinkat(AT_FDCWD, path, 0) : -1;
}

/* A test program has few descriptors. */
static bool watched_is_open(void) {
  struct stat st;
  for (int fd = 0; steps.watched != 0 && fd < 64; fd++) {
    if (fstat(fd, &st) == 0 && st.st_ino == steps.watched) return true;
  }
  return false;
}

int fsync(int fd) {
  return step(watched_is_open() ? 'F' : 'f') ? (int)syscall(SYS_fsync, fd) : -1;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
  struct iovec part = {(void *)data, len};
  return step('w') ? pwritev(fd, &part, 1, offset) : -1;
}

int fstatfs(int fd, struct statfs *out) {
  int rc = (int)syscall(SYS_fstatfs, fd, out);
  if (rc == 0 && steps.on_fat) out->f_type = MSDOS_SUPER_MAGIC;
  return rc;
}

int statvfs(const char *path, struct statvfs *out) {
  struct statfs fs;
  if (syscall(SYS_statfs, path, &fs) != 0) return -1;
  *out = (struct statvfs){.f_bsize = (unsigned long)fs.f_bsize,
                          .f_frsize = (unsigned long)fs.f_frsize,
                          .f_blocks = fs.f_blocks,
                          .f_bfree = fs.f_bfree,
                          .f_bavail = fs.f_bavail};
  if (steps.free_space > 0) out->f_bavail = steps.free_space / out->f_frsize;
  return 0;
}

#endif
