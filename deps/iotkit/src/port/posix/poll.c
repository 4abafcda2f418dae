/*
 * poll.c - waiting for a few descriptors. No state.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "port/posix/posix.h"

#define ON_STACK 16

int ik_posix_timeout(uint32_t timeout_ms) {
  if (timeout_ms == UINT32_MAX) return -1;
  return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

short ik_posix_events(int interest) {
  int events = 0;
  if (interest & IOTKIT_READ) events |= POLLIN;
  if (interest & IOTKIT_WRITE) events |= POLLOUT;
  return (short)events;
}

int ik_posix_ready(int interest, short revents) {
  int ready = 0;
  /* The read or write that is tried next reports what failed. */
  if (revents & (POLLERR | POLLHUP | POLLNVAL)) return interest;
  if (revents & POLLIN) ready |= IOTKIT_READ;
  if (revents & POLLOUT) ready |= IOTKIT_WRITE;
  return ready & interest;
}

int ik_port_poll(struct ik_pollfd *fds, size_t count, uint32_t timeout_ms) {
  struct pollfd few[ON_STACK];
  struct pollfd *os = few;
  int ready = 0;

  if (count > ON_STACK) {
    os = calloc(count, sizeof *os);
    if (os == NULL) return IK_ENO_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    os[i].fd = fds[i].fd;
    os[i].events = ik_posix_events(fds[i].interest);
    os[i].revents = 0;
    fds[i].ready = 0;
  }
  int n = poll(os, (nfds_t)count, ik_posix_timeout(timeout_ms));
  if (n < 0) ready = errno == EINTR || errno == EAGAIN ? 0 : IK_ENETWORK;
  for (size_t i = 0; n > 0 && i < count; i++) {
    fds[i].ready = ik_posix_ready(fds[i].interest, os[i].revents);
    if (fds[i].ready != 0) ready++;
  }
  if (os != few) free(os);
  return ready;
}
