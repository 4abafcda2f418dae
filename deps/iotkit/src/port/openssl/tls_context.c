/* Tested by deps/iotkit/test/port/openssl/test_tls_conn.c. */
/*
 * tls_context.c - what to trust and who we are, parsed once for any number of connections.
 *
 * Counted by references, atomically; the last unref frees. Connections of many threads share the
 * SSL_CTX, which OpenSSL locks by itself; the kept sessions have a lock of their own.
 */
#include "port/openssl/tls_context.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sized.h"

/* Of OpenSSL: 112 bits, no RSA or DH of less than 2,048 bits, no SHA-1 in a chain. A runtime whose
 * own level is higher keeps it. */
#define SECURITY_LEVEL 2
struct iotkit_tls {
  atomic_int refs;
  const struct ik_openssl *openssl;
  SSL_CTX *ctx;
  char *cert_name; /* owned; NULL: the host's name */
  struct ik_mutex *lock;
  bool deferred; /* under `lock`: whom to trust has not been read yet */
  char *ca;      /* under `lock`, owned: what is to be read; NULL: the system's store */
  size_t ca_len;
  struct ik_tls_places places;  /* where the system's store is, for what is deferred */
  uint64_t time_ms;             /* under `lock`; of iotkit_tls_set_time(), 0: the system's clock */
  uint64_t at_ms;               /* likewise */
  struct ik_tls_signer *signer; /* NULL: the key is in `ctx` */
  struct ik_tls_sessions *sessions; /* of earlier connections; it locks by itself */
};

static BIO *open_pem(const struct ik_openssl *o, const char *pem, size_t len) {
  if (len == 0) len = strnlen(pem, IK_PEM_MAX + 1);
  return len > IK_PEM_MAX ? NULL : o->BIO_new_mem_buf(pem, (int)len);
}

static bool is_end_of_pem(const struct ik_openssl *o, unsigned long error) {
  return ik_openssl_error_lib(o, error) == IK_ERR_LIB_PEM &&
         ik_openssl_error_reason(o, error) == IK_PEM_R_NO_START_LINE;
}

/* Never asks a terminal, which is what OpenSSL does when it is given no function. */
static int give_passphrase(char *buf, int size, int writing, void *ctx) {
  const char *passphrase = ctx;
  (void)writing;
  if (passphrase == NULL) return -1;
  size_t len = strlen(passphrase);
  if (size < 0 || len > (size_t)size) return -1;
  memcpy(buf, passphrase, len);
  return (int)len;
}

/* ---- sessions ---- */

static void use_session(struct ik_tls_peer *peer, SSL *ssl) {
  bool given;
  const time_t now = ik_tls_clock(peer->tls, &given);
  peer->has_validity =
      ik_tls_sessions_use(peer->tls->sessions, peer->key, now, ssl, &peer->validity);
}

/* A resumed connection has verified nothing: what comes of it is as good as what it came of. */
static bool note_validity(const struct ik_openssl *o, struct ik_tls_peer *peer, const SSL *ssl) {
  if (o->SSL_session_reused(ssl) == 1) return peer->has_validity;
  peer->has_validity = ik_tls_validity_of(o, ssl, &peer->validity);
  return peer->has_validity;
}

/* OpenSSL's callback: 0 leaves it the reference. */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
  const struct ik_openssl *o = ik_openssl();
  struct ik_tls_peer *peer = o->SSL_get_ex_data(ssl, IK_OPENSSL_APP_DATA);
  if (peer != NULL && note_validity(o, peer, ssl))
    ik_tls_sessions_keep(peer->tls->sessions, peer->key, session, &peer->validity);
  return 0;
}

void ik_tls_drop_sessions(const struct ik_tls_peer *peer) {
  ik_tls_sessions_drop(peer->tls->sessions, peer->key);
}

/* ---- time ---- */

/* Sessions were verified by the clock before: the next connections are verified by this one. */
int iotkit_tls_set_time(iotkit_tls_t *tls, uint64_t time_ms, uint64_t at_ms) {
  if (tls == NULL) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(tls->lock);
  tls->time_ms = time_ms;
  tls->at_ms = at_ms;
  ik_mutex_unlock(tls->lock);
  ik_tls_sessions_drop(tls->sessions, NULL);
  return 0;
}

time_t ik_tls_clock(iotkit_tls_t *tls, bool *given) {
  ik_mutex_lock(tls->lock);
  const uint64_t time_ms = tls->time_ms;
  const uint64_t at_ms = tls->at_ms;
  ik_mutex_unlock(tls->lock);
  *given = time_ms != 0;
  if (!*given) return time(NULL); /* as OpenSSL reads it */
  return (time_t)((time_ms + (ik_port_now_ms() - at_ms)) / 1000);
}

/* ---- trust ---- */

static int add_certificates(struct iotkit_tls *tls, BIO *bio, char *detail) {
  const struct ik_openssl *o = tls->openssl;
  X509_STORE *store = o->SSL_CTX_get_cert_store(tls->ctx);
  size_t count = 0;
  X509 *cert;
  while ((cert = o->PEM_read_bio_X509(bio, NULL, give_passphrase, NULL)) != NULL) {
    int added = o->X509_STORE_add_cert(store, cert);
    o->X509_free(cert);
    if (added != 1) return IK_ENO_MEMORY;
    count++;
  }
  unsigned long error = o->ERR_peek_last_error();
  if (!is_end_of_pem(o, error)) {
    return ik_refuse(detail, IK_ETLS_CA, "CA certificate %zu: %s", count + 1,
                     ik_openssl_error_text(o, error));
  }
  if (count == 0) {
    return ik_refuse(detail, IK_ETLS_CA, "tls.ca (ca) holds no certificate in PEM format");
  }
  return 0;
}

static int trust_given(struct iotkit_tls *tls, const char *ca, size_t ca_len, char *detail) {
  BIO *bio = open_pem(tls->openssl, ca, ca_len);
  if (bio == NULL) {
    return ik_refuse(detail, IK_ETLS_CA, "the CA certificates are longer than %zu bytes",
                     IK_PEM_MAX);
  }
  int rc = add_certificates(tls, bio, detail);
  tls->openssl->BIO_free(bio);
  return rc;
}

/*
 * As SSL_CTX_set_default_verify_paths() does, which would read the environment in this thread. What
 * is not there is not trusted: that is no error of OpenSSL's either.
 */
static void trust_places(struct iotkit_tls *tls, const struct ik_tls_places *places) {
  const struct ik_openssl *o = tls->openssl;
  const char *file = places->file != NULL ? places->file : o->X509_get_default_cert_file();
  const char *directory =
      places->directory != NULL ? places->directory : o->X509_get_default_cert_dir();
  (void)o->SSL_CTX_load_verify_locations(tls->ctx, file, NULL);
  (void)o->SSL_CTX_load_verify_locations(tls->ctx, NULL, directory);
}

/*
 * The places compiled into an OpenSSL that came with the program (Node's for one) exist on no
 * machine but the one that built it, so the usual bundles are tried besides; not where the user has
 * named in the environment what to trust.
 */
static int trust_system(struct iotkit_tls *tls, const struct ik_tls_places *places, char *detail) {
  static const char *const bundles[] = {
      "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine, Arch */
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
      "/etc/pki/tls/certs/ca-bundle.crt",
      "/etc/ssl/ca-bundle.pem", /* SUSE */
      "/etc/ssl/cert.pem",      /* macOS, BSD */
  };
  const struct ik_openssl *o = tls->openssl;
  trust_places(tls, places);
  if (places->file != NULL || places->directory != NULL) return 0;
  if (strcmp(iotkit_tls_source(), "process") != 0) return 0;
  for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++) {
    if (access(bundles[i], R_OK) != 0) continue;
    if (o->SSL_CTX_load_verify_locations(tls->ctx, bundles[i], NULL) == 1) return 0;
    /* No free descriptor, say: a context that knows no CA would refuse everybody for good. */
    return ik_refuse(detail, IK_ETLS, "%s: %s", bundles[i],
                     ik_openssl_error_text(o, o->ERR_peek_last_error()));
  }
  return 0;
}

static int trust(struct iotkit_tls *tls, const char *ca, size_t ca_len,
                 const struct ik_tls_places *places, char *detail) {
  return ca != NULL ? trust_given(tls, ca, ca_len, detail) : trust_system(tls, places, detail);
}

/* Replaces what is read when it is needed; too late when it has been read. Under the lock. */
static int keep_ca(struct iotkit_tls *tls, const char *ca, size_t len) {
  char *copy = ik_str_dup((struct ik_str){ca, len});
  if (copy == NULL) return IK_ENO_MEMORY;
  free(tls->ca);
  tls->ca = copy;
  tls->ca_len = len;
  return 0;
}

static int keep_places(struct iotkit_tls *tls, const struct ik_tls_places *places) {
  const char *from[] = {places->file, places->directory};
  char **to[] = {&tls->places.file, &tls->places.directory};
  for (size_t i = 0; i < 2; i++) {
    if (from[i] == NULL) continue;
    *to[i] = ik_str_dup(ik_str(from[i]));
    if (*to[i] == NULL) return IK_ENO_MEMORY;
  }
  return 0;
}

static int defer_trust(struct iotkit_tls *tls, const struct iotkit_tls_options *options,
                       const struct ik_tls_places *places) {
  tls->deferred = true;
  if (options->ca == NULL) return keep_places(tls, places);
  size_t len = options->ca_len != 0 ? options->ca_len : strlen(options->ca);
  return keep_ca(tls, options->ca, len);
}

int iotkit_tls_set_ca(iotkit_tls_t *tls, const char *ca, size_t ca_len) {
  if (tls == NULL || ca == NULL) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(tls->lock);
  int rc = tls->deferred ? keep_ca(tls, ca, ca_len != 0 ? ca_len : strlen(ca)) : IK_EINVALID_STATE;
  ik_mutex_unlock(tls->lock);
  return rc;
}

/* Reads what was deferred; after a failure the next connection tries again. */
static int need_trust(struct iotkit_tls *tls, char *detail) {
  int rc = 0;
  ik_mutex_lock(tls->lock);
  if (tls->deferred) rc = trust(tls, tls->ca, tls->ca_len, &tls->places, detail);
  if (rc == 0) {
    tls->deferred = false;
    free(tls->ca);
    tls->ca = NULL;
  }
  ik_mutex_unlock(tls->lock);
  return rc;
}

int ik_tls_new_ssl(struct ik_tls_peer *peer, SSL **out, char *detail) {
  struct iotkit_tls *tls = peer->tls;
  int rc = need_trust(tls, detail);
  if (rc != 0) return rc;
  *out = tls->openssl->SSL_new(tls->ctx);
  if (*out == NULL) return IK_ENO_MEMORY;
  use_session(peer, *out);
  tls->openssl->SSL_set_ex_data(*out, IK_OPENSSL_APP_DATA, peer);
  return tls->signer == NULL ? 0 : ik_tls_signing_begin(tls->signer, *out, &peer->signing);
}

/* ---- identity ---- */

static int identity_error(const struct ik_openssl *o, const char *what, char *detail) {
  return ik_refuse(detail, IK_ETLS_IDENTITY, "%s: %s", what,
                   ik_openssl_error_text(o, o->ERR_peek_last_error()));
}

static bool signs(const struct iotkit_tls_options *options) {
  return options->sign != NULL || options->sign_begin != NULL;
}

static int use_certificates(struct iotkit_tls *tls, const struct iotkit_tls_options *options,
                            BIO *bio, char *detail) {
  const struct ik_openssl *o = tls->openssl;
  X509 *cert = o->PEM_read_bio_X509(bio, NULL, give_passphrase, NULL);
  if (cert == NULL) return identity_error(o, "client certificate", detail);
  const int used = o->SSL_CTX_use_certificate(tls->ctx, cert);
  int rc = used == 1 ? 0 : identity_error(o, "client certificate", detail);
  if (rc == 0 && signs(options)) rc = ik_tls_signer_new(o, cert, options, &tls->signer, detail);
  o->X509_free(cert);
  if (rc != 0) return rc;
  while ((cert = o->PEM_read_bio_X509(bio, NULL, give_passphrase, NULL)) != NULL) {
    /* The context owns it from here on. */
    if (o->SSL_CTX_ctrl(tls->ctx, IK_SSL_CTRL_EXTRA_CHAIN_CERT, 0, cert) != 1) {
      o->X509_free(cert);
      return identity_error(o, "chain of the client certificate", detail);
    }
  }
  if (!is_end_of_pem(o, o->ERR_peek_last_error()))
    return identity_error(o, "chain of the client certificate", detail);
  return 0;
}

static int use_key(struct iotkit_tls *tls, BIO *bio, const char *passphrase, char *detail) {
  const struct ik_openssl *o = tls->openssl;
  char *secret = (char *)(uintptr_t)passphrase; /* only read, see give_passphrase */
  EVP_PKEY *key = o->PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, secret);
  if (key == NULL) return identity_error(o, "client key", detail);
  int used = o->SSL_CTX_use_PrivateKey(tls->ctx, key);
  o->EVP_PKEY_free(key);
  if (used != 1 || o->SSL_CTX_check_private_key(tls->ctx) != 1)
    return identity_error(o, "client key", detail);
  return 0;
}

static int set_identity(struct iotkit_tls *tls, const struct iotkit_tls_options *options,
                        char *detail) {
  const struct ik_openssl *o = tls->openssl;
  const bool has_signer = signs(options);
  if (options->sign != NULL && options->sign_begin != NULL)
    return ik_refuse(detail, IK_ETLS_IDENTITY, "sign was given besides sign_begin");
  if (has_signer && options->key != NULL)
    return ik_refuse(detail, IK_ETLS_IDENTITY,
                     "a client key was given besides a callback that signs");
  if (options->cert == NULL || (options->key == NULL && !has_signer)) {
    return ik_refuse(detail, IK_ETLS_IDENTITY, "a client %s was given without a %s",
                     options->cert != NULL ? "certificate" : "key",
                     options->cert != NULL ? "key" : "certificate");
  }
  BIO *cert = open_pem(o, options->cert, options->cert_len);
  BIO *key = has_signer ? NULL : open_pem(o, options->key, options->key_len);
  int rc = IK_ETLS_IDENTITY;
  if (cert == NULL || (key == NULL && !has_signer))
    ik_detail(detail, "client certificate or key is longer than %zu bytes", IK_PEM_MAX);
  else if ((rc = use_certificates(tls, options, cert, detail)) == 0 && !has_signer)
    rc = use_key(tls, key, options->passphrase, detail);
  if (cert != NULL) o->BIO_free(cert);
  if (key != NULL) o->BIO_free(key);
  return rc;
}

/* ---- the context ---- */

/* No read-ahead: half the system calls saved no measurable time, and each connection would hold
 * another 64 KiB. */
static int open_context(struct iotkit_tls *tls) {
  const struct ik_openssl *o = tls->openssl;
  const long mode = IK_SSL_MODE_ENABLE_PARTIAL_WRITE | IK_SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                    IK_SSL_MODE_RELEASE_BUFFERS;
  tls->ctx = o->SSL_CTX_new(o->TLS_client_method());
  if (tls->ctx == NULL) return IK_ENO_MEMORY;
  if (o->SSL_CTX_ctrl(tls->ctx, IK_SSL_CTRL_SET_MIN_PROTO_VERSION, IK_TLS1_2_VERSION, NULL) != 1)
    return IK_ETLS;
  if (o->SSL_CTX_get_security_level(tls->ctx) < SECURITY_LEVEL)
    o->SSL_CTX_set_security_level(tls->ctx, SECURITY_LEVEL);
  o->SSL_CTX_ctrl(tls->ctx, IK_SSL_CTRL_MODE, mode, NULL);
  /* A record without data gives the thread back: see struct ik_tls_socket. */
  o->SSL_CTX_ctrl(tls->ctx, IK_SSL_CTRL_CLEAR_MODE, IK_SSL_MODE_AUTO_RETRY, NULL);
  o->SSL_CTX_set_verify(tls->ctx, IK_SSL_VERIFY_PEER, NULL);
  o->SSL_CTX_ctrl(tls->ctx, IK_SSL_CTRL_SET_SESS_CACHE_MODE,
                  IK_SSL_SESS_CACHE_CLIENT | IK_SSL_SESS_CACHE_NO_INTERNAL, NULL);
  o->SSL_CTX_sess_set_new_cb(tls->ctx, keep_session);
  return 0;
}

static int fill_context(struct iotkit_tls *tls, const struct iotkit_tls_options *options,
                        const struct ik_tls_places *places, char *detail) {
  int rc = open_context(tls);
  if (rc != 0) return rc;
  rc = options->deferred ? defer_trust(tls, options, places)
                         : trust(tls, options->ca, options->ca_len, places, detail);
  if (rc == 0 && (options->cert != NULL || options->key != NULL || signs(options)))
    rc = set_identity(tls, options, detail);
  if (rc == 0 && options->cert_name != NULL) {
    tls->cert_name = ik_str_dup(ik_str(options->cert_name));
    if (tls->cert_name == NULL) rc = IK_ENO_MEMORY;
  }
  return rc;
}

static int make(const struct iotkit_tls_options *options, const struct ik_tls_places *places,
                iotkit_tls_t **out, char *detail) {
  const struct ik_openssl *o;
  int rc = ik_openssl_need(&o, detail);
  if (rc != 0) return rc;
  struct iotkit_tls *tls = calloc(1, sizeof *tls);
  if (tls == NULL) return IK_ENO_MEMORY;
  atomic_init(&tls->refs, 1);
  tls->openssl = o;
  tls->lock = ik_mutex_new();
  /* The calling thread may be the runtime's own: its error queue is left as it was. */
  o->ERR_set_mark();
  rc = tls->lock == NULL ? IK_ENO_MEMORY : ik_tls_sessions_new(o, &tls->sessions);
  if (rc == 0) rc = fill_context(tls, options, places, detail);
  o->ERR_pop_to_mark();
  if (rc != 0) {
    iotkit_tls_unref(tls);
    return rc;
  }
  ik_tls_signer_announce_end(tls->signer);
  *out = tls;
  return 0;
}

int iotkit_tls_new(const struct iotkit_tls_options *options, iotkit_tls_t **out, char *detail) {
  struct iotkit_tls_options own = {0};
  struct ik_tls_places places;
  if (out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  ik_detail(detail, "%s", "");
  int rc = options != NULL ? IK_SIZED_READ(&own, options, detail) : 0;
  if (rc != 0) return rc;
  if (own.cert_name != NULL) {
    size_t len = strlen(own.cert_name);
    if (len == 0 || len > IK_HOST_MAX) return len == 0 ? IK_EINVALID_ARGUMENT : IK_ETOO_LONG;
  }
  rc = ik_tls_places_read(&places);
  if (rc == 0) rc = make(&own, &places, out, detail);
  ik_tls_places_free(&places);
  return rc;
}

int ik_tls_new_system(const struct ik_tls_places *places, iotkit_tls_t **out, char *detail) {
  static const struct iotkit_tls_options defaults;
  *out = NULL;
  return make(&defaults, places, out, detail);
}

iotkit_tls_t *iotkit_tls_ref(iotkit_tls_t *tls) {
  if (tls != NULL) atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
  return tls;
}

void iotkit_tls_unref(iotkit_tls_t *tls) {
  if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) return;
  ik_tls_sessions_free(tls->sessions);
  if (tls->ctx != NULL) tls->openssl->SSL_CTX_free(tls->ctx);
  ik_tls_signer_free(tls->signer);
  ik_mutex_free(tls->lock);
  free(tls->ca);
  ik_tls_places_free(&tls->places);
  free(tls->cert_name);
  free(tls);
}

const char *ik_tls_cert_name(const iotkit_tls_t *tls) {
  return tls->cert_name;
}
