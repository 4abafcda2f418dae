/*
 * lookup.c - name resolution by getaddrinfo() on detached threads, at most WORKERS_MAX at a time in
 * the process.
 *
 * A lookup has two holders: its owner, and the queue or the worker that has taken it. The last to
 * let go frees it, so cancelling never waits for a resolver that is stuck. The queue and the number
 * of workers are the only state of the process, under its lock; workers end when the queue is empty.
 * In a child of fork() there are no workers, so it begins with an empty queue.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "port/posix/address.h"
#include "port/posix/posix.h"

#define WORKERS_MAX 8
/* Resolver modules (NSS) are known to want much more than the least a thread may have. */
#define WORKER_STACK ((size_t)256 * 1024)

struct ik_lookup {
  struct ik_lookup *next, *prev; /* in the queue; under the lock of the process */
  bool queued;                   /* as the links */
  atomic_int holders;
  atomic_bool done; /* what follows is final */
  struct ik_wake *wake;
  int result; /* number of addresses, or IK_E* */
  struct ik_address addresses[IK_ADDRESSES_MAX];
  char detail[IOTKIT_DETAIL_MAX];
  uint16_t port;
  char host[IK_HOST_MAX + 1];
};

static struct ik_lookup *queue_head, *queue_tail;
static unsigned worker_count;
static pthread_once_t fork_is_guarded = PTHREAD_ONCE_INIT;

static void release(struct ik_lookup *lookup, int holds) {
  if (atomic_fetch_sub_explicit(&lookup->holders, holds, memory_order_acq_rel) != holds) return;
  ik_wake_free(lookup->wake);
  free(lookup);
}

/* ---- the queue, under the lock of the process ---- */

static void push(struct ik_lookup *lookup) {
  lookup->queued = true;
  lookup->prev = queue_tail;
  lookup->next = NULL;
  if (queue_tail != NULL)
    queue_tail->next = lookup;
  else
    queue_head = lookup;
  queue_tail = lookup;
}

static void take_out(struct ik_lookup *lookup) {
  lookup->queued = false;
  if (lookup->prev != NULL)
    lookup->prev->next = lookup->next;
  else
    queue_head = lookup->next;
  if (lookup->next != NULL)
    lookup->next->prev = lookup->prev;
  else
    queue_tail = lookup->prev;
}

/* In a child of fork(), which has this thread alone. What was being resolved stays with its owner,
 * and what the lost worker held of it is lost with it. */
static void forget_workers(void) {
  struct ik_lookup *lookup;
  worker_count = 0;
  while ((lookup = queue_head) != NULL) {
    take_out(lookup);
    atomic_fetch_sub_explicit(&lookup->holders, 1, memory_order_relaxed);
  }
}

static void guard_fork(void) {
  (void)pthread_atfork(NULL, NULL, forget_workers);
}

/* ---- resolving ---- */

#define FOUND_MAX ((size_t)2 * IK_ADDRESSES_MAX)

/* Alternates families, beginning with the one the system prefers, so that a dead family costs one
 * head start only. */
static int interleave(const struct addrinfo *list, uint16_t port,
                      struct ik_address out[IK_ADDRESSES_MAX]) {
  struct ik_address found[FOUND_MAX];
  size_t count = 0, used = 0, at[2] = {0, 0};
  for (; list != NULL && count < FOUND_MAX; list = list->ai_next)
    if (list->ai_addr != NULL && ik_posix_address(list->ai_addr, port, &found[count])) count++;
  if (count == 0) return 0;
  const uint8_t families[2] = {found[0].family, found[0].family == 4 ? 6 : 4};
  while (used < IK_ADDRESSES_MAX && (at[0] < count || at[1] < count)) {
    for (size_t f = 0; f < 2 && used < IK_ADDRESSES_MAX; f++) {
      while (at[f] < count && found[at[f]].family != families[f])
        at[f]++;
      if (at[f] < count) out[used++] = found[at[f]++];
    }
  }
  return (int)used;
}

static int resolve_error(struct ik_lookup *lookup, int rc, int error) {
  char text[IK_ERRNO_TEXT_MAX];
  const char *reason = rc == EAI_SYSTEM ? ik_posix_errno_text(error, text) : gai_strerror(rc);
  ik_detail(lookup->detail, "%s: %s", lookup->host, reason);
  return rc == EAI_MEMORY ? IK_ENO_MEMORY : IK_ERESOLVE;
}

/* This machine's own name is in a file, which knows no dots of the root, and not in the DNS. */
static const char *name_to_ask_for(const struct ik_lookup *lookup) {
  return ik_str_eq_nocase(ik_str(lookup->host), IK_STR("localhost.")) ? "localhost" : lookup->host;
}

static void resolve(struct ik_lookup *lookup) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *list = NULL;
  int rc = getaddrinfo(name_to_ask_for(lookup), NULL, &hints, &list);
  if (rc != 0) {
    lookup->result = resolve_error(lookup, rc, errno);
    return;
  }
  lookup->result = interleave(list, lookup->port, lookup->addresses);
  freeaddrinfo(list);
  if (lookup->result == 0) {
    ik_detail(lookup->detail, "%s: it has no address", lookup->host);
    lookup->result = IK_ERESOLVE;
  }
}

static struct ik_lookup *next_or_end(void) {
  ik_process_lock();
  struct ik_lookup *lookup = queue_head;
  if (lookup != NULL)
    take_out(lookup);
  else
    worker_count--;
  ik_process_unlock();
  return lookup;
}

static void finish(struct ik_lookup *lookup) {
  atomic_store_explicit(&lookup->done, true, memory_order_release);
  ik_wake_signal(lookup->wake);
}

/*
 * Under the lock, which ik_lookup_free() takes, too: an owner who has seen the result is the last
 * holder, so that the descriptor is closed on the thread that watches it.
 */
static void hand_back(struct ik_lookup *lookup) {
  ik_process_lock();
  finish(lookup);
  release(lookup, 1);
  ik_process_unlock();
}

static void work(void *arg) {
  struct ik_lookup *lookup;
  (void)arg;
  while ((lookup = next_or_end()) != NULL) {
    resolve(lookup);
    hand_back(lookup);
  }
}

/* ---- the owner's side ---- */

/* Nobody is left to work and nobody can be started: every waiting lookup must hear of it. */
static void fail_all_queued(int error) {
  for (;;) {
    ik_process_lock();
    struct ik_lookup *lookup = queue_head;
    if (lookup != NULL) take_out(lookup);
    ik_process_unlock();
    if (lookup == NULL) return;
    ik_detail(lookup->detail, "%s: no thread could be started to look it up", lookup->host);
    lookup->result = error;
    hand_back(lookup);
  }
}

static void hand_over(struct ik_lookup *lookup) {
  bool start, deserted;
  pthread_once(&fork_is_guarded, guard_fork);
  atomic_fetch_add_explicit(&lookup->holders, 1, memory_order_relaxed);
  ik_process_lock();
  push(lookup);
  start = worker_count < WORKERS_MAX;
  if (start) worker_count++;
  ik_process_unlock();
  if (!start) return;

  int rc = ik_thread_detached("iotkit-dns", WORKER_STACK, work, NULL);
  if (rc == 0) return;
  ik_process_lock();
  worker_count--;
  deserted = worker_count == 0;
  ik_process_unlock();
  if (deserted) fail_all_queued(rc);
}

static int new_lookup(const char *host, uint16_t port, struct ik_lookup **out) {
  struct ik_lookup *lookup = calloc(1, sizeof *lookup);
  if (lookup == NULL) return IK_ENO_MEMORY;
  int rc = ik_wake_new(&lookup->wake);
  if (rc != 0) {
    free(lookup);
    return rc;
  }
  atomic_init(&lookup->holders, 1);
  atomic_init(&lookup->done, false);
  lookup->port = port;
  memcpy(lookup->host, host, strlen(host));
  *out = lookup;
  return 0;
}

int ik_lookup_start(const char *host, uint16_t port, struct ik_lookup **out) {
  struct ik_lookup *lookup;
  *out = NULL;
  if (host == NULL || host[0] == '\0') return IK_EINVALID_ARGUMENT;
  if (strlen(host) > IK_HOST_MAX) return IK_ETOO_LONG;
  int rc = new_lookup(host, port, &lookup);
  if (rc != 0) return rc;
  if (ik_address_parse(host, port, &lookup->addresses[0])) {
    lookup->result = 1;
    finish(lookup);
  } else {
    hand_over(lookup);
  }
  *out = lookup;
  return 0;
}

int ik_lookup_fd(const struct ik_lookup *lookup) {
  return ik_wake_fd(lookup->wake);
}

int ik_lookup_result(struct ik_lookup *lookup, struct ik_address *out, size_t cap, char *detail) {
  if (!atomic_load_explicit(&lookup->done, memory_order_acquire)) return IK_EAGAIN;
  if (lookup->result < 0) {
    ik_detail(detail, "%s", lookup->detail);
    return lookup->result;
  }
  size_t count = (size_t)lookup->result < cap ? (size_t)lookup->result : cap;
  memcpy(out, lookup->addresses, count * sizeof *out);
  return (int)count;
}

void ik_lookup_free(struct ik_lookup *lookup) {
  bool was_queued;
  if (lookup == NULL) return;
  ik_process_lock();
  was_queued = lookup->queued;
  if (was_queued) take_out(lookup);
  ik_process_unlock();
  release(lookup, was_queued ? 2 : 1); /* the queue's hold and the owner's */
}
