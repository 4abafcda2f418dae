/* Tested by deps/iotkit/test/port/posix/test_poll.c. */
/*
 * poller_poll.c - waiting for many descriptors where there is no epoll: a table of its own beneath
 * poll().
 *
 * Costs O(descriptors) a wait. Slots of forgotten descriptors are filled from the end.
 */
#include "port/posix/posix.h"

#if !defined(IK_POLLER_EPOLL)

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct slot {
  int interest;
  void *tag;
};

struct ik_poller {
  struct pollfd *fds;
  struct slot *slots; /* beside fds */
  size_t count;
  size_t cap;
  size_t turn; /* where the next wait begins to look, so that no descriptor starves the others */
};

int ik_poller_new(struct ik_poller **out) {
  *out = calloc(1, sizeof **out);
  return *out == NULL ? IK_ENO_MEMORY : 0;
}

void ik_poller_free(struct ik_poller *poller) {
  if (poller == NULL) return;
  free(poller->fds);
  free(poller->slots);
  free(poller);
}

int ik_poller_fd(const struct ik_poller *poller) {
  (void)poller;
  return -1;
}

static size_t find(const struct ik_poller *poller, int fd) {
  size_t i = 0;
  while (i < poller->count && poller->fds[i].fd != fd)
    i++;
  return i;
}

static int grow(struct ik_poller *poller) {
  size_t cap = poller->cap == 0 ? 16 : poller->cap * 2;
  struct pollfd *fds = realloc(poller->fds, cap * sizeof *fds);
  if (fds == NULL) return IK_ENO_MEMORY;
  poller->fds = fds;
  struct slot *slots = realloc(poller->slots, cap * sizeof *slots);
  if (slots == NULL) return IK_ENO_MEMORY;
  poller->slots = slots;
  poller->cap = cap;
  return 0;
}

void ik_poller_forget(struct ik_poller *poller, int fd) {
  size_t i = find(poller, fd);
  if (i == poller->count) return;
  poller->count--;
  poller->fds[i] = poller->fds[poller->count];
  poller->slots[i] = poller->slots[poller->count];
}

int ik_poller_set(struct ik_poller *poller, int fd, int interest, void *tag) {
  if (interest == 0) {
    ik_poller_forget(poller, fd);
    return 0;
  }
  size_t i = find(poller, fd);
  if (i == poller->count) {
    int rc = poller->count == poller->cap ? grow(poller) : 0;
    if (rc != 0) return rc;
    poller->count++;
  }
  poller->fds[i] = (struct pollfd){.fd = fd, .events = ik_posix_events(interest)};
  poller->slots[i] = (struct slot){.interest = interest, .tag = tag};
  return 0;
}

int ik_poller_wait(struct ik_poller *poller, struct ik_poller_event *events, size_t cap,
                   uint32_t timeout_ms) {
  int found = 0;
  size_t at = poller->turn;
  int n = poll(poller->fds, (nfds_t)poller->count, ik_posix_timeout(timeout_ms));
  if (n < 0) return errno == EINTR || errno == EAGAIN ? 0 : IK_ENETWORK;
  for (size_t seen = 0; seen < poller->count && found < n && (size_t)found < cap; seen++, at++) {
    size_t i = at % poller->count;
    int ready = ik_posix_ready(poller->slots[i].interest, poller->fds[i].revents);
    if (ready == 0) continue;
    events[found++] = (struct ik_poller_event){.tag = poller->slots[i].tag, .ready = ready};
  }
  poller->turn = poller->count == 0 ? 0 : at % poller->count;
  return found;
}

#else
typedef int ik_poller_poll_unused;
#endif
