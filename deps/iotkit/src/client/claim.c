/*
 * claim.c - the identities that clients of this process hold.
 *
 * A claim is counted by references, which the list's flag guards: the client's own, and one of each
 * thread that is about to wake the client. `wake` is cleared under the claim's mutex before the
 * client is freed, so that whoever wakes it finds it whole.
 */
#include "client/claim.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "port/port.h"

struct ik_claim {
  /* fixed; texts are owned */
  char *host;
  char *client_id;
  char *username;
  uint16_t port;
  struct ik_mutex *mutex;  /* of `wake` */
  void (*wake)(void *ctx); /* NULL: the client is freed */
  void *ctx;
  /* list */
  struct ik_claim *older;
  unsigned refs;
  bool listed;
  bool leaving; /* the client was stopped */
};

static atomic_flag busy = ATOMIC_FLAG_INIT;
static struct ik_claim *newest;

static void lock(void) {
  while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {}
}

static void unlock(void) {
  atomic_flag_clear_explicit(&busy, memory_order_release);
}

/* ---- what is the same ---- */

/* The name up to the dot of the root, which is for the resolver. */
static struct ik_str host_of(const struct ik_claim *claim) {
  struct ik_str host = ik_str(claim->host);
  if (host.len > 1 && host.ptr[host.len - 1] == '.') host.len--;
  return host;
}

static bool is_platform(const struct ik_claim *claim) {
  return strchr(claim->client_id, '|') != NULL && claim->username[0] != '\0';
}

/* A sign-in by certificate, from which the broker takes the device (iotkit_sign() without names). */
static bool is_unnamed(const struct ik_claim *claim) {
  return is_platform(claim) && strcmp(claim->username, "&") == 0;
}

static bool same_host(const struct ik_claim *a, const struct ik_claim *b) {
  return ik_str_eq_nocase(host_of(a), host_of(b));
}

static bool same_name(const struct ik_claim *a, const struct ik_claim *b) {
  if (is_unnamed(a) || is_unnamed(b)) return false;
  if (is_platform(a) && is_platform(b)) return strcmp(a->username, b->username) == 0;
  return a->client_id[0] != '\0' && strcmp(a->client_id, b->client_id) == 0;
}

static bool same(const struct ik_claim *a, const struct ik_claim *b) {
  return a->port == b->port && same_host(a, b) && same_name(a, b);
}

/* ---- life ---- */

static void destroy(struct ik_claim *claim) {
  ik_mutex_free(claim->mutex);
  free(claim->host);
  free(claim->client_id);
  free(claim->username);
  free(claim);
}

int ik_claim_new(const struct iotkit_mqtt_options *options, void (*wake)(void *ctx), void *ctx,
                 struct ik_claim **out) {
  struct ik_claim *claim = calloc(1, sizeof(*claim));
  if (!claim) return IK_ENO_MEMORY;
  claim->refs = 1;
  claim->wake = wake;
  claim->ctx = ctx;
  claim->port = options->port;
  claim->host = ik_str_dup(ik_str(options->host));
  claim->client_id = ik_str_dup(ik_str(options->client_id));
  claim->username = ik_str_dup(ik_str(options->username));
  claim->mutex = ik_mutex_new();
  if (!claim->host || !claim->client_id || !claim->username || !claim->mutex) {
    destroy(claim);
    return IK_ENO_MEMORY;
  }
  *out = claim;
  return 0;
}

static void drop(struct ik_claim *claim) {
  lock();
  const bool last = --claim->refs == 0;
  unlock();
  if (last) destroy(claim);
}

void ik_claim_free(struct ik_claim *claim) {
  if (!claim) return;
  ik_claim_give_up(claim);
  ik_mutex_lock(claim->mutex);
  claim->wake = NULL;
  ik_mutex_unlock(claim->mutex);
  drop(claim);
}

/* ---- the list ---- */

/* One that is not `claim`, has not been stopped, and is alike; with a reference. The list is locked. */
static struct ik_claim *find(const struct ik_claim *claim,
                             bool (*alike)(const struct ik_claim *, const struct ik_claim *)) {
  struct ik_claim *other = newest;
  while (other && (other == claim || other->leaving || !alike(claim, other)))
    other = other->older;
  if (other) other->refs++;
  return other;
}

/* The same device by another way, which some brokers are one broker by, and others not. */
static bool is_suspect(const struct ik_claim *a, const struct ik_claim *b) {
  return a->port != b->port && same_host(a, b) && same_name(a, b);
}

static void report(enum iotkit_log_level level, const struct ik_claim *claim,
                   const struct ik_claim *other, const char *what) {
  ik_log(level, "mqtt: \"%s\" (user \"%s\") at %s:%u: \"%s\" at port %u of the same host %s",
         claim->client_id, claim->username, claim->host, claim->port, other->client_id, other->port,
         what);
}

int ik_claim_take(struct ik_claim *claim) {
  lock();
  const bool again = claim->listed;
  struct ik_claim *holder = again ? NULL : find(claim, same);
  struct ik_claim *suspect = again || holder ? NULL : find(claim, is_suspect);
  if (!again && !holder) {
    claim->listed = true;
    claim->older = newest;
    newest = claim;
  }
  unlock();
  if (again) return IK_EINVALID_STATE;
  if (suspect) {
    report(IOTKIT_LOG_WARNING, claim, suspect,
           "is the same device; if it is the same broker, each will end the other's connection");
    drop(suspect);
  }
  if (!holder) return 0;
  report(IOTKIT_LOG_ERROR, claim, holder,
         "is a client of this process with the same identity; this one is not started");
  drop(holder);
  return IK_EMQTT_IN_USE;
}

void ik_claim_leave(struct ik_claim *claim) {
  lock();
  claim->leaving = true;
  unlock();
}

static void wake_client(struct ik_claim *claim) {
  ik_mutex_lock(claim->mutex);
  if (claim->wake) claim->wake(claim->ctx);
  ik_mutex_unlock(claim->mutex);
  drop(claim);
}

void ik_claim_give_up(struct ik_claim *claim) {
  struct ik_claim *waiting = NULL;
  lock();
  struct ik_claim **link = &newest;
  while (*link && *link != claim)
    link = &(*link)->older;
  if (*link) {
    *link = claim->older;
    claim->older = NULL;
    waiting = find(claim, same);
  }
  claim->leaving = true;
  unlock();
  if (waiting) wake_client(waiting);
}

bool ik_claim_waits(const struct ik_claim *claim) {
  lock();
  const struct ik_claim *other = claim->older;
  while (other && !same(claim, other))
    other = other->older;
  unlock();
  return other != NULL;
}
