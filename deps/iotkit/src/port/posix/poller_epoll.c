/* Tested by deps/iotkit/test/port/posix/test_poll.c. */
/*
 * poller_epoll.c - waiting for many descriptors, on Linux.
 *
 * The kernel keeps the table: closing a descriptor takes it out, so nothing here can go stale.
 */
#include "port/posix/posix.h"

#if defined(IK_POLLER_EPOLL)

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "iotkit_mqtt.h"

#define BATCH 64

struct ik_poller {
  int fd;
};

int ik_poller_new(struct ik_poller **out) {
  *out = NULL;
  struct ik_poller *poller = malloc(sizeof *poller);
  if (poller == NULL) return IK_ENO_MEMORY;
  poller->fd = epoll_create1(EPOLL_CLOEXEC);
  if (poller->fd < 0) {
    free(poller);
    return IK_ENETWORK;
  }
  *out = poller;
  return 0;
}

void ik_poller_free(struct ik_poller *poller) {
  if (poller == NULL) return;
  close(poller->fd);
  free(poller);
}

int ik_poller_fd(const struct ik_poller *poller) {
  return poller->fd;
}

int ik_poller_set(struct ik_poller *poller, int fd, int interest, void *tag) {
  struct epoll_event event = {.events = 0, .data = {.ptr = tag}};
  if (interest == 0) {
    /*
     * Not a mask of nothing: hang-ups are reported whatever the mask, and would be reported for
     * ever.
     */
    if (epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, &event) == 0) return 0;
    return errno == ENOENT || errno == EBADF ? 0 : IK_ENETWORK;
  }
  if (interest & IOTKIT_READ) event.events |= EPOLLIN;
  if (interest & IOTKIT_WRITE) event.events |= EPOLLOUT;
  if (epoll_ctl(poller->fd, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  if (errno == ENOENT && epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  return errno == ENOMEM || errno == ENOSPC ? IK_ENO_MEMORY : IK_ENETWORK;
}

void ik_poller_forget(struct ik_poller *poller, int fd) {
  (void)poller;
  (void)fd;
}

int ik_poller_wait(struct ik_poller *poller, struct ik_poller_event *events, size_t cap,
                   uint32_t timeout_ms) {
  struct epoll_event os[BATCH];
  int n = epoll_wait(poller->fd, os, cap < BATCH ? (int)cap : BATCH, ik_posix_timeout(timeout_ms));
  if (n < 0) return errno == EINTR ? 0 : IK_ENETWORK;
  for (int i = 0; i < n; i++) {
    int ready = 0;
    if (os[i].events & (EPOLLERR | EPOLLHUP)) ready = IOTKIT_READ | IOTKIT_WRITE;
    if (os[i].events & EPOLLIN) ready |= IOTKIT_READ;
    if (os[i].events & EPOLLOUT) ready |= IOTKIT_WRITE;
    events[i].tag = os[i].data.ptr;
    events[i].ready = ready;
  }
  return n;
}

#else
typedef int ik_poller_epoll_unused;
#endif
