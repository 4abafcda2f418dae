/*
 * volume.c - loop devices and mounts, by system calls. Only Linux has them.
 */
#include "support/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/loop.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define TRIES 20

extern char **environ;

static bool cannot(const char *what) {
  printf("skipped: %s: %s\n", what, strerror(errno));
  return false;
}

/* Takes the device if nobody else has taken it in the meantime: EBUSY. */
static int take(struct loop *loop, int number, int file) {
  snprintf(loop->path, sizeof loop->path, "/dev/loop%d", number);
  loop->fd = open(loop->path, O_RDWR | O_CLOEXEC);
  if (loop->fd < 0) return -1;
  struct loop_info64 info = {.lo_flags = LO_FLAGS_AUTOCLEAR};
  if (ioctl(loop->fd, LOOP_SET_FD, file) == 0) {
    if (ioctl(loop->fd, LOOP_SET_STATUS64, &info) == 0) return 0;
    ioctl(loop->fd, LOOP_CLR_FD, 0);
  }
  int error = errno;
  close(loop->fd);
  errno = error;
  return -1;
}

bool loop_open(struct loop *loop, const char *backing) {
  int rc = -1;
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return cannot("no loop devices");
  int file = open(backing, O_RDWR | O_CLOEXEC);
  for (int i = 0; file >= 0 && i < TRIES; i++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    rc = take(loop, number, file);
    if (rc == 0 || errno != EBUSY) break;
  }
  int error = errno;
  if (file >= 0) close(file);
  close(control);
  errno = error;
  return rc == 0 || cannot("no loop device");
}

void loop_close(struct loop *loop) {
  close(loop->fd); /* the last close ends the device */
}

bool volume_mount(const char *what, const char *where, const char *type, const char *options) {
  return mount(what, where, type, MS_NOSUID | MS_NODEV, options) == 0 || cannot("no mount");
}

bool volume_make_read_only(const char *where) {
  unsigned long flags = MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;
  return mount("none", where, "tmpfs", flags, NULL) == 0 || cannot("no remount");
}

void volume_unmount(const char *where) {
  umount2(where, MNT_DETACH);
}

bool volume_format(const char *device, const char *type) {
  char *const argv[] = {"mke2fs", "-q", "-F", "-t", (char *)type, (char *)device, NULL};
  pid_t child;
  int status = -1;
  errno = posix_spawnp(&child, argv[0], NULL, NULL, argv, environ);
  if (errno != 0) return cannot("no mke2fs");
  if (waitpid(child, &status, 0) == child && status == 0) return true;
  errno = EIO;
  return cannot("mke2fs");
}

#else

bool loop_open(struct loop *loop, const char *backing) {
  (void)loop, (void)backing;
  puts("skipped: no loop devices on this system");
  return false;
}

void loop_close(struct loop *loop) {
  (void)loop;
}

bool volume_mount(const char *what, const char *where, const char *type, const char *options) {
  (void)what, (void)where, (void)type, (void)options;
  puts("skipped: no mounts on this system");
  return false;
}

bool volume_make_read_only(const char *where) {
  (void)where;
  return false;
}

void volume_unmount(const char *where) {
  (void)where;
}

bool volume_format(const char *device, const char *type) {
  (void)device, (void)type;
  return false;
}
#endif
