/*
 * claim.c - the identities that clients of this process hold: lists by a hash of the name, so that one of
 * ten thousand is found as fast as one of ten.
 *
 * A claim is counted by references, which the lists' flag guards: the client's own, and one of each
 * thread that is about to wake the client. `wake` is cleared under the claim's mutex before the
 * client is freed, so that whoever wakes it finds it whole.
 */
#include "client/claim.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "port/port.h"

#define LISTS 257
#define ODD 0 /* the list of those that may be the same as one of any list, see is_odd() */

struct ik_claim {
  /* fixed; texts are owned */
  char *host;
  char *client_id;
  char *username;
  uint16_t port;
  uint16_t list;
  bool names_nobody;
  struct ik_mutex *mutex;  /* of `wake` */
  void (*wake)(void *ctx); /* NULL: the client is freed */
  void *ctx;
  /* lists */
  struct ik_claim *older; /* of the same list */
  uint64_t turn;          /* the first to be listed has 1; 0: it is not listed */
  unsigned refs;
  bool taken;
  bool leaving; /* the client was stopped */
};

static atomic_flag busy = ATOMIC_FLAG_INIT;
static struct ik_claim *newest[LISTS];
static uint64_t turns;

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

/*
 * It is the same as no other, and so on no list: thousands of them would make one long list that each has to be looked
 * for in.
 */
static bool names_nobody(const struct ik_claim *claim) {
  return claim->client_id[0] == '\0' || is_unnamed(claim);
}

static bool same_name(const struct ik_claim *a, const struct ik_claim *b) {
  if (is_platform(a) && is_platform(b)) return strcmp(a->username, b->username) == 0;
  return strcmp(a->client_id, b->client_id) == 0;
}

static bool same(const struct ik_claim *a, const struct ik_claim *b) {
  return a->port == b->port && same_host(a, b) && same_name(a, b);
}

/* A client id of the platform's form without a user name: the same as any that has this client id. */
static bool is_odd(const struct ik_claim *claim) {
  return strchr(claim->client_id, '|') != NULL && claim->username[0] == '\0';
}

/* FNV-1a. Those of the same name have the same list, but for odd ones. */
static uint16_t list_of(const struct ik_claim *claim) {
  if (is_odd(claim)) return ODD;
  const char *name = is_platform(claim) ? claim->username : claim->client_id;
  uint32_t hash = 2166136261u;
  for (; *name; name++)
    hash = (hash ^ (uint8_t)*name) * 16777619u;
  return (uint16_t)(1 + hash % (LISTS - 1));
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
  claim->list = list_of(claim);
  claim->names_nobody = names_nobody(claim);
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

/* ---- the lists ---- */

typedef bool (*match_fn)(const struct ik_claim *claim, const struct ik_claim *other);

static struct ik_claim *find_in(unsigned list, const struct ik_claim *claim, match_fn matches) {
  struct ik_claim *other = newest[list];
  while (other && (other == claim || !matches(claim, other)))
    other = other->older;
  return other;
}

/* One that is not `claim` and matches; NULL: there is none. The lists are locked. */
static struct ik_claim *find(const struct ik_claim *claim, match_fn matches) {
  struct ik_claim *other = find_in(claim->list, claim, matches);
  if (!other && claim->list != ODD) return find_in(ODD, claim, matches);
  for (unsigned list = 0; !other && claim->list == ODD && list < LISTS; list++)
    other = find_in(list, claim, matches);
  return other;
}

static bool is_same_and_stays(const struct ik_claim *claim, const struct ik_claim *other) {
  return !other->leaving && same(claim, other);
}

static bool is_same_and_older(const struct ik_claim *claim, const struct ik_claim *other) {
  return other->turn < claim->turn && same(claim, other);
}

/* The same device by another way, which some brokers are one broker by, and others not. */
static bool is_suspect(const struct ik_claim *claim, const struct ik_claim *other) {
  return !other->leaving && claim->port != other->port && same_host(claim, other) &&
         same_name(claim, other);
}

static void report(enum iotkit_log_level level, const struct ik_claim *claim,
                   const struct ik_claim *other, const char *what) {
  ik_log(level, "mqtt: \"%s\" (user \"%s\") at %s:%u: \"%s\" at port %u of the same host %s",
         claim->client_id, claim->username, claim->host, claim->port, other->client_id, other->port,
         what);
}

static void enter(struct ik_claim *claim) {
  claim->turn = ++turns;
  claim->older = newest[claim->list];
  newest[claim->list] = claim;
}

int ik_claim_take(struct ik_claim *claim) {
  lock();
  const bool again = claim->taken;
  const bool looks = !again && !claim->names_nobody;
  struct ik_claim *holder = looks ? find(claim, is_same_and_stays) : NULL;
  struct ik_claim *suspect = looks && !holder ? find(claim, is_suspect) : NULL;
  if (!holder) claim->taken = true;
  if (!holder && looks) enter(claim);
  if (holder) holder->refs++;
  if (suspect) suspect->refs++;
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

static void leave_list(struct ik_claim *claim) {
  struct ik_claim **link = &newest[claim->list];
  while (*link != claim)
    link = &(*link)->older;
  *link = claim->older;
  claim->older = NULL;
  claim->turn = 0;
}

void ik_claim_give_up(struct ik_claim *claim) {
  struct ik_claim *waiting = NULL;
  lock();
  if (claim->turn) {
    leave_list(claim);
    waiting = find(claim, is_same_and_stays);
    if (waiting) waiting->refs++;
  }
  claim->leaving = true;
  unlock();
  if (waiting) wake_client(waiting);
}

bool ik_claim_waits(const struct ik_claim *claim) {
  lock();
  const bool waits = claim->turn && find(claim, is_same_and_older);
  unlock();
  return waits;
}
