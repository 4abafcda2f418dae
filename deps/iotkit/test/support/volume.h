/*
 * volume.h - block devices and small file systems for tests, where the machine and its user allow
 * them.
 */
#ifndef TEST_VOLUME_H
#define TEST_VOLUME_H

#include <stdbool.h>
#include <stddef.h>

/* A loop device over a file; freed with loop_close(). */
struct loop {
  int fd;
  char path[32];
};

/* False, having printed why: this machine has none for us. */
bool loop_open(struct loop *loop, const char *backing);
void loop_close(struct loop *loop);

/* Mounts; false, having printed why, where that is not possible. */
bool volume_mount(const char *what, const char *where, const char *type, const char *options);
/* From now on nobody writes there. */
bool volume_make_read_only(const char *where);
void volume_unmount(const char *where);
/* Puts an ext2 or ext4 on a device; false, having printed why. */
bool volume_format(const char *device, const char *type);

#endif
