/*
 * tls_sessions.c - a list, the newest first, with a lock of its own. An entry owns its key and its
 * session, of which connections get and give copies alone: a connection that ends without a
 * close_notify has OpenSSL forbid that its own session is resumed. OpenSSL wipes what it frees.
 */
#include "port/openssl/tls_sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "iotkit_errors.h"
#include "port/port.h"

/* Without a lifetime from the server, and at most: a server may name a week (RFC 8446, 4.6.1). */
#define LIFETIME_S 7200UL
#define LIFETIME_MAX_S 86400UL
#define DAY_S 86400

struct entry {
  struct entry *next;
  char *key;
  SSL_SESSION *session;
  struct ik_tls_validity validity;
  uint64_t
      until_ms; /* ik_port_now_ms(): the lifetime of the ticket, also while the machine sleeps */
};

struct ik_tls_sessions {
  const struct ik_openssl *openssl;
  struct ik_mutex *lock;
  struct entry *newest; /* under `lock` */
};

int ik_tls_sessions_new(const struct ik_openssl *openssl, struct ik_tls_sessions **out) {
  struct ik_tls_sessions *sessions = calloc(1, sizeof *sessions);
  *out = NULL;
  if (sessions == NULL) return IK_ENO_MEMORY;
  sessions->openssl = openssl;
  sessions->lock = ik_mutex_new();
  if (sessions->lock == NULL) {
    free(sessions);
    return IK_ENO_MEMORY;
  }
  *out = sessions;
  return 0;
}

static void free_list(const struct ik_openssl *o, struct entry *list) {
  while (list != NULL) {
    struct entry *next = list->next;
    if (list->session != NULL) o->SSL_SESSION_free(list->session);
    ik_str_free(list->key);
    free(list);
    list = next;
  }
}

void ik_tls_sessions_free(struct ik_tls_sessions *sessions) {
  if (sessions == NULL) return;
  free_list(sessions->openssl, sessions->newest);
  ik_mutex_free(sessions->lock);
  free(sessions);
}

/* Moves the entry at *at to the list `out`. */
static void take_out(struct entry **at, struct entry **out) {
  struct entry *entry = *at;
  *at = entry->next;
  entry->next = *out;
  *out = entry;
}

/* Its ticket is for one connection. */
static bool is_single(const struct ik_openssl *o, const SSL_SESSION *session) {
  return o->SSL_SESSION_get_protocol_version(session) >= IK_TLS1_3_VERSION;
}

static bool is_over(const struct ik_openssl *o, const struct entry *entry) {
  return ik_port_now_ms() >= entry->until_ms || o->SSL_SESSION_is_resumable(entry->session) != 1;
}

static bool is_in_time(const struct ik_tls_validity *validity, time_t now) {
  return validity->from <= now && now <= validity->until;
}

static bool give(const struct ik_openssl *o, const struct entry *entry, SSL *ssl) {
  SSL_SESSION *copy = o->SSL_SESSION_dup(entry->session);
  if (copy == NULL) return false;
  const bool given = o->SSL_set_session(ssl, copy) == 1;
  o->SSL_SESSION_free(copy);
  return given;
}

bool ik_tls_sessions_use(struct ik_tls_sessions *sessions, const char *key, time_t now, SSL *ssl,
                         struct ik_tls_validity *validity) {
  const struct ik_openssl *o = sessions->openssl;
  struct entry *gone = NULL;
  bool used = false;
  ik_mutex_lock(sessions->lock);
  struct entry **at = &sessions->newest;
  while (*at != NULL && !used) {
    struct entry *entry = *at;
    const bool over = is_over(o, entry) || !is_in_time(&entry->validity, now);
    if (!over && strcmp(entry->key, key) == 0) {
      used = give(o, entry, ssl);
      *validity = entry->validity;
    }
    if (over || (used && is_single(o, entry->session)))
      take_out(at, &gone);
    else
      at = &entry->next;
  }
  ik_mutex_unlock(sessions->lock);
  free_list(o, gone);
  return used;
}

/* Of those of `key` the first `keep_of_key` stay, and of all the first `keep`. Under the lock. */
static void make_room(struct ik_tls_sessions *sessions, const char *key, size_t keep_of_key,
                      size_t keep, struct entry **gone) {
  size_t of_key = 0;
  size_t all = 0;
  struct entry **at = &sessions->newest;
  while (*at != NULL) {
    struct entry *entry = *at;
    const bool too_many = strcmp(entry->key, key) == 0 && ++of_key > keep_of_key;
    if (too_many || ++all > keep || is_over(sessions->openssl, entry))
      take_out(at, gone);
    else
      at = &entry->next;
  }
}

static uint64_t lifetime_ms(const struct ik_openssl *o, const SSL_SESSION *session) {
  unsigned long seconds = o->SSL_SESSION_get_ticket_lifetime_hint(session);
  if (seconds == 0) seconds = LIFETIME_S;
  if (seconds > LIFETIME_MAX_S) seconds = LIFETIME_MAX_S;
  return (uint64_t)seconds * 1000;
}

static struct entry *new_entry(const struct ik_openssl *o, const char *key,
                               const SSL_SESSION *session) {
  struct entry *entry = calloc(1, sizeof *entry);
  if (entry == NULL) return NULL;
  entry->key = ik_str_dup(ik_str(key));
  entry->session = o->SSL_SESSION_dup(session);
  if (entry->key != NULL && entry->session != NULL) return entry;
  free_list(o, entry);
  return NULL;
}

void ik_tls_sessions_keep(struct ik_tls_sessions *sessions, const char *key,
                          const SSL_SESSION *session, const struct ik_tls_validity *validity) {
  const struct ik_openssl *o = sessions->openssl;
  struct entry *gone = NULL;
  if (o->SSL_SESSION_is_resumable(session) != 1) return;
  struct entry *entry = new_entry(o, key, session);
  if (entry == NULL) return;
  entry->validity = *validity;
  entry->until_ms = ik_port_now_ms() + lifetime_ms(o, session);
  const size_t others_of_key = is_single(o, session) ? IK_TLS_SESSIONS_OF_KEY - 1 : 0;
  ik_mutex_lock(sessions->lock);
  make_room(sessions, key, others_of_key, IK_TLS_SESSIONS_MAX - 1, &gone);
  entry->next = sessions->newest;
  sessions->newest = entry;
  ik_mutex_unlock(sessions->lock);
  free_list(o, gone);
}

void ik_tls_sessions_drop(struct ik_tls_sessions *sessions, const char *key) {
  struct entry *gone = NULL;
  ik_mutex_lock(sessions->lock);
  struct entry **at = &sessions->newest;
  while (*at != NULL) {
    if (key == NULL || strcmp((*at)->key, key) == 0)
      take_out(at, &gone);
    else
      at = &(*at)->next;
  }
  ik_mutex_unlock(sessions->lock);
  free_list(sessions->openssl, gone);
}

/* ---- validity ---- */

/* Seconds since 1970; false: it is no time. */
static bool read_time(const struct ik_openssl *o, time_t now, const ASN1_TIME *from, time_t *out) {
  int days = 0;
  int seconds = 0;
  if (from == NULL || o->ASN1_TIME_diff(&days, &seconds, NULL, from) != 1) return false;
  *out = now + (time_t)days * DAY_S + seconds;
  return true;
}

bool ik_tls_validity_of(const struct ik_openssl *o, const SSL *ssl, struct ik_tls_validity *out) {
  const OPENSSL_STACK *chain = (const OPENSSL_STACK *)o->SSL_get0_verified_chain(ssl);
  const int count = chain == NULL ? 0 : o->OPENSSL_sk_num(chain);
  const time_t now = time(NULL);
  for (int i = 0; i < count; i++) {
    const X509 *cert = o->OPENSSL_sk_value(chain, i);
    struct ik_tls_validity one;
    if (!read_time(o, now, o->X509_get0_notBefore(cert), &one.from) ||
        !read_time(o, now, o->X509_get0_notAfter(cert), &one.until))
      return false;
    if (i == 0 || one.from > out->from) out->from = one.from;
    if (i == 0 || one.until < out->until) out->until = one.until;
  }
  return count > 0;
}
