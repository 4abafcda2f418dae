/* Tested by deps/iotkit/test/save/test_copy.c. */
/*
 * file_copy.c - one file made from another inside the system, where it has a way: shared, copied, or the same one by
 * another name.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#endif

#include "port/posix/posix.h"

int ik_osfile_clone(struct ik_osfile *to, struct ik_osfile *from) {
#if defined(__linux__) && defined(FICLONE)
  int rc;
  IK_RETRY(rc, ioctl(to->fd, FICLONE, from->fd));
  if (rc == 0) return 0;
#else
  (void)to, (void)from;
#endif
  return IK_EUNSUPPORTED;
}

int64_t ik_osfile_copy(struct ik_osfile *to, struct ik_osfile *from, uint64_t offset, size_t len,
                       char *detail) {
#if defined(__linux__) && defined(SYS_copy_file_range)
  /* By its number: the C libraries that we promise to run with may be older than the call. */
  long n;
  do {
    int64_t from_at = (int64_t)offset, to_at = (int64_t)offset;
    n = syscall(SYS_copy_file_range, from->fd, &from_at, to->fd, &to_at, len, 0U);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return n;
  if (errno == ENOSPC || errno == EDQUOT)
    return ik_posix_file_fail("write", to->path, errno, detail);
#else
  (void)to, (void)from, (void)offset, (void)len, (void)detail;
#endif
  return IK_EUNSUPPORTED;
}

int ik_osfile_link(struct ik_osfile *file, const char *from, const char *to) {
  int rc;
  (void)ik_path_remove(to);
  /* Without AT_SYMLINK_FOLLOW: what `from` leads to is nobody's business. */
  IK_RETRY(rc, linkat(AT_FDCWD, from, AT_FDCWD, to, 0));
  if (rc != 0) return IK_EUNSUPPORTED;
  if (ik_posix_at(file->fd, to) == 1) return 0;
  (void)ik_path_remove(to);
  return IK_EUNSUPPORTED;
}

int ik_osfile_stamp(struct ik_osfile *file, struct ik_file_stamp *out) {
  struct stat st;
  if (fstat(file->fd, &st) != 0) return ik_posix_file_error(errno);
  out->size = (uint64_t)st.st_size;
#if defined(__APPLE__)
  out->modified_s = st.st_mtimespec.tv_sec;
  out->modified_ns = st.st_mtimespec.tv_nsec;
#else
  out->modified_s = st.st_mtim.tv_sec;
  out->modified_ns = st.st_mtim.tv_nsec;
#endif
  return 0;
}
