/* Tested by deps/iotkit/test/image/test_commit.c, and on a FAT that Linux has mounted by test/boot/fat.test.ts. */
/*
 * rename.c - gives a file another name, so that a power cut leaves what had the name, or the file.
 *
 * File systems see to that, all but FAT. It has no journal, and keeps size and place of a file in the entry of
 * its name. Linux renames so: it frees the bytes of the file that had the name, and lets its entry, or a new
 * one without size and place, be; these it writes when the file is synced or half a minute later, and removes
 * the old entry when the directory is synced. In between a cut leaves an entry that leads to nothing, or two
 * that lead to the same bytes, of which a checker of file systems empties one. So:
 *
 * - A file that has the name is held open, which keeps its bytes, and its entry as it is, until the old entry
 *   of ours is gone. Then one sector makes it ours.
 * - A new entry is written as a whole, and at once with the removal of the old one: two sectors at most, which
 *   nothing but a cut between just these can part.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "port/posix/posix.h"

#if defined(__linux__)
static bool is_on_fat(int fd) {
  struct statfs fs;
  int rc;
  IK_RETRY(rc, fstatfs(fd, &fs));
  return rc == 0 && fs.f_type == MSDOS_SUPER_MAGIC;
}

/* `replaced`: the file that had the name; -1: there was none. */
static int sync_renamed(struct ik_osfile *file, struct ik_osdir *directory, int replaced,
                        char *detail) {
  int rc = 0;
  if (replaced >= 0)
    rc = ik_osdir_sync(directory, detail);
  else
    (void)syncfs(file->fd); /* does not wait for the disk, and ik_osfile_sync() does */
  if (rc == 0) rc = ik_osfile_sync(file, detail);
  return rc == 0 ? 0 : IK_OSFILE_NOT_DURABLE;
}

static int rename_on_fat(struct ik_osfile *file, const char *from, const char *to,
                         struct ik_osdir *directory, char *detail) {
  int replaced;
  IK_RETRY(replaced, open(to, O_PATH | O_NOFOLLOW | O_CLOEXEC)); /* which needs no right to read */
  int rc = ik_path_rename(from, to, detail);
  if (rc == 0) rc = sync_renamed(file, directory, replaced, detail);
  if (replaced >= 0) close(replaced);
  return rc;
}
#endif

int ik_osfile_rename(struct ik_osfile *file, const char *from, const char *to,
                     struct ik_osdir *directory, char *detail) {
#if defined(__linux__)
  if (is_on_fat(file->fd)) return rename_on_fat(file, from, to, directory, detail);
#else
  (void)file, (void)directory;
#endif
  return ik_path_rename(from, to, detail);
}
