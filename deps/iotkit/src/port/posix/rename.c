/* Tested by deps/iotkit/test/image/test_commit.c, and on a FAT that Linux has mounted by test/boot/fat.test.ts. */
/*
 * rename.c - gives a file another name, so that a power cut leaves what had the name, or the file.
 *
 * File systems with a journal see to that. FAT has none, and keeps size and place of a file in the entry of its
 * name. Linux removes the old entry on the disk when the directory is synced, and lets the new one lead to the file
 * when that is synced, or half a minute later; what had the name loses its bytes at once. So:
 *
 * - The directory is synced first. The other way round there would be two entries that lead to the same bytes, and
 *   whatever is then done to one of them, by a checker of file systems too, destroys the other.
 * - What had the name is held open meanwhile, which keeps its bytes: a cut leaves it, or the file. Where nothing had
 *   the name a cut between the two leaves an entry without bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "port/posix/posix.h"

#if defined(__linux__)
/* No right to read it is needed. `*out` is -1 where there is none. */
static int hold(const char *path, int *out, char *detail) {
  IK_RETRY(*out, open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return *out >= 0 || errno == ENOENT ? 0 : ik_posix_file_fail("look at", path, errno, detail);
}

/* Both in any case: the more is on the disk the better. */
static int sync_both(struct ik_osfile *file, struct ik_osdir *directory, char *detail) {
  int first = ik_osdir_sync(directory, detail);
  int second = ik_osfile_sync(file, first == 0 ? detail : NULL);
  return first == 0 && second == 0 ? 0 : IK_OSFILE_NOT_DURABLE;
}

static int rename_on_fat(struct ik_osfile *file, const char *from, const char *to,
                         struct ik_osdir *directory, char *detail) {
  int replaced;
  int rc = hold(to, &replaced, detail);
  if (rc < 0) return rc;
  rc = ik_path_rename(from, to, detail);
  if (rc == 0) rc = sync_both(file, directory, detail);
  if (replaced >= 0) close(replaced);
  return rc;
}
#endif

bool ik_osfile_rename_may_lose(struct ik_osfile *file) {
#if defined(__linux__)
  struct statfs fs;
  int rc;
  IK_RETRY(rc, fstatfs(file->fd, &fs));
  return rc == 0 && fs.f_type == MSDOS_SUPER_MAGIC;
#else
  (void)file;
  return false;
#endif
}

int ik_osfile_rename(struct ik_osfile *file, const char *from, const char *to,
                     struct ik_osdir *directory, char *detail) {
#if defined(__linux__)
  if (ik_osfile_rename_may_lose(file)) return rename_on_fat(file, from, to, directory, detail);
#else
  (void)file, (void)directory;
#endif
  return ik_path_rename(from, to, detail);
}
