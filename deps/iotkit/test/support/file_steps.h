/*
 * file_steps.h - ends the process, or fails, at the n-th change that it is about to make to the
 * disk. This is the test program's own rename(), unlink(), fsync() and pwrite(), which the library
 * in it then calls; and its fstatfs() and statvfs(), which may say that the
 * disk is FAT, or full.
 *
 * To be included by one file of a program.
 */
#ifndef TEST_FILE_STEPS_H
#define TEST_FILE_STEPS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
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
  char log[256];    /* r, u, f, w: which there were */
  const char *swap; /* put in place of what is renamed next, just before */
  bool on_fat;
  uint64_t free_space; /* bytes of the disk; 0: what is there */
} steps = {-1, 0, 0, "", NULL, false, 0};

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

int rename(const char *from, const char *to) {
  if (steps.swap != NULL) (void)renameat(AT_FDCWD, steps.swap, AT_FDCWD, from);
  steps.swap = NULL;
  return step('r') ? renameat(AT_FDCWD, from, AT_FDCWD, to) : -1;
}

int unlink(const char *path) {
  return step('u') ? unlinkat(AT_FDCWD, path, 0) : -1;
}

int fsync(int fd) {
  return step('f') ? (int)syscall(SYS_fsync, fd) : -1;
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
