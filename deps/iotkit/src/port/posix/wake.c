/*
 * wake.c - a descriptor that another thread makes readable: an eventfd, elsewhere a pipe. Owned by
 * who made it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/eventfd.h>
#endif

#include "port/port.h"

struct ik_wake {
  int read_fd;
  int write_fd; /* the same for an eventfd */
};

#if defined(__linux__)
static int open_pair(struct ik_wake *wake) {
  wake->read_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  wake->write_fd = wake->read_fd;
  return wake->read_fd < 0 ? IK_ENETWORK : 0;
}
#else
static int open_pair(struct ik_wake *wake) {
  int fds[2];
  if (pipe(fds) != 0) return IK_ENETWORK;
  for (int i = 0; i < 2; i++) {
    fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    fcntl(fds[i], F_SETFL, O_NONBLOCK);
  }
  wake->read_fd = fds[0];
  wake->write_fd = fds[1];
  return 0;
}
#endif

int ik_wake_new(struct ik_wake **out) {
  *out = NULL;
  struct ik_wake *wake = malloc(sizeof *wake);
  if (wake == NULL) return IK_ENO_MEMORY;
  int rc = open_pair(wake);
  if (rc != 0) {
    free(wake);
    return rc;
  }
  *out = wake;
  return 0;
}

void ik_wake_free(struct ik_wake *wake) {
  if (wake == NULL) return;
  if (wake->write_fd != wake->read_fd) close(wake->write_fd);
  close(wake->read_fd);
  free(wake);
}

int ik_wake_fd(const struct ik_wake *wake) {
  return wake->read_fd;
}

void ik_wake_signal(struct ik_wake *wake) {
  /* 8 bytes suit both an eventfd and a pipe. A full pipe is as readable as can be: nothing is lost.
   */
  uint64_t one = 1;
  int saved = errno; /* a signal handler may be calling */
  while (write(wake->write_fd, &one, sizeof one) < 0 && errno == EINTR) {}
  errno = saved;
}

void ik_wake_clear(struct ik_wake *wake) {
  uint64_t sink[16];
  ssize_t n;
  do {
    n = read(wake->read_fd, sink, sizeof sink);
  } while (n == (ssize_t)sizeof sink || (n < 0 && errno == EINTR));
}
