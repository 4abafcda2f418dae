/*
 * posix.h - what the files of the POSIX port share.
 */
#ifndef IK_POSIX_H
#define IK_POSIX_H

#include "port/port.h"

#if defined(__linux__) && !defined(IK_POLLER_POLL)
#define IK_POLLER_EPOLL 1
#endif

/* The text of an errno, in `out`; thread-safe, unlike strerror(). Returns `out`. */
#define IK_ERRNO_TEXT_MAX 96
const char *ik_posix_errno_text(int error, char out[IK_ERRNO_TEXT_MAX]);

int ik_posix_timeout(uint32_t timeout_ms);       /* as poll() and epoll_wait() take it */
short ik_posix_events(int interest);             /* IOTKIT_READ | IOTKIT_WRITE as poll() events */
int ik_posix_ready(int interest, short revents); /* and back */
int ik_posix_file_error(int error);              /* errno of a file operation as IK_E* */
/* Writes "cannot <verb> <path>: <text of error>" and returns the IK_E* of it. */
int ik_posix_file_fail(const char *verb, const char *path, int error, char *detail);

/* Calls once more while a signal has interrupted it. Not for close(), after which the descriptor is
 * gone in any case. */
#define IK_RETRY(rc, call)                                                                         \
  do {                                                                                             \
    (rc) = (call);                                                                                 \
  } while ((rc) == -1 && errno == EINTR)

struct ik_osfile {
  int fd;
  bool is_block_device;
  char path[]; /* for texts of errors */
};

/* Makes the handle, which owns the descriptor; where that fails it is closed. */
int ik_posix_adopt(int fd, const char *path, struct ik_osfile **out);
/*
 * Locks the file that was opened at `path` and is there still; else closes it. IK_POSIX_MOVED: its last
 * holder has renamed or removed it meanwhile; IK_EFILE_LOCKED: somebody holds it.
 */
#define IK_POSIX_MOVED 1
int ik_posix_lock(int fd, const char *path, char *detail);
/* Whether `path` itself, no link followed, is the open file: 1; 0: it is not; -1: see errno. */
int ik_posix_at(int fd, const char *path);

#endif
