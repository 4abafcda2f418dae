/*
 * tls_signer.c - RSA and EC keys whose private half is a callback.
 *
 * By RSA_METHOD and EC_KEY_METHOD, the one way that 1.1.1, 3.x and the OpenSSL inside Node.js share:
 * engines are left out of many builds, and providers begin with 3.0. OpenSSL pads RSA-PSS before a method
 * is asked, so for it the method gets a padded block and not the digest.
 * The message comes from the transcript, and counts only if it has the digest that OpenSSL has.
 *
 * OpenSSL cannot leave a method and come back: what it has for that (ASYNC_JOB) is missing with musl, leaks
 * when a connection is freed meanwhile, and crashes when another thread goes on with it. So a callback that
 * takes its time is waited for, and the handshake is on a thread of its own by then (tls_aside.c).
 *
 * The two methods are made once in a process and never freed, as keys point to them. OpenSSL holds no
 * lock when it calls them.
 */
#include "port/openssl/tls_signer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "port/port.h"

#define DIGEST_MAX 64
#define ORDER_MAX 72 /* bytes of the order of a curve, with room */

struct ik_tls_signer {
  const struct ik_openssl *openssl;
  iotkit_tls_sign_fn sign; /* NULL: `begin` */
  iotkit_tls_sign_begin_fn begin;
  iotkit_tls_sign_cancel_fn cancel; /* NULL: nobody needs to hear of it, as `end` */
  void (*end)(void *ctx);
  bool is_announced; /* the end of it */
  void *ctx;
  RSA *rsa; /* one of them: the public half */
  EC_KEY *ec;
};

/* ---- the methods, on the thread of the handshake: what is signed ---- */

/* A message, and what OpenSSL takes its digest with. */
struct message {
  struct ik_buf text;
  const EVP_MD *type;
  uint8_t digest[DIGEST_MAX];
  size_t digest_len; /* 0: nothing is known */
};

static const EVP_MD *digest_type(const struct ik_openssl *o, int nid) {
  switch (nid) {
  case IK_NID_sha256:
    return o->EVP_sha256();
  case IK_NID_sha384:
    return o->EVP_sha384();
  case IK_NID_sha512:
    return o->EVP_sha512();
  default:
    return NULL;
  }
}

/*
 * What the transcript says of it. IK_ENO_MEMORY, which ends the handshake; any other error: nothing is known.
 * Freed by the caller in any case.
 */
static int recover(const struct ik_tls_signing *signing, int nid, struct message *out) {
  const struct ik_openssl *o = signing->signer->openssl;
  *out = (struct message){.type = digest_type(o, nid)};
  ik_buf_init(&out->text, IK_TLS_TRANSCRIPT_MAX);
  if (out->type == NULL) return IK_EUNSUPPORTED;
  int rc = ik_tls_transcript_message(&signing->transcript, &out->text);
  if (rc != 0) return rc;
  out->digest_len =
      ik_tls_digest(o, out->type, ik_buf_ptr(&out->text), ik_buf_size(&out->text), out->digest);
  return out->digest_len > 0 ? 0 : IK_ENO_MEMORY;
}

static void show(struct iotkit_tls_to_sign *what, const struct message *message) {
  what->message = ik_buf_ptr(&message->text);
  what->message_len = ik_buf_size(&message->text);
  what->message_bits = (unsigned)message->digest_len * 8;
}

static bool has_digest(const struct message *message, const uint8_t *digest, size_t len) {
  return message->digest_len == len && memcmp(message->digest, digest, len) == 0;
}

/* The digest that RSA-PSS is over, which its block does not show: that of the chosen algorithm. */
static int chosen_digest(const struct ik_tls_signing *signing) {
  int nid = 0;
  const struct ik_tls_transcript *transcript = &signing->transcript;
  if (transcript->ssl == NULL) return 0;
  (void)signing->signer->openssl->SSL_ctrl(transcript->ssl, IK_SSL_CTRL_GET_SIGNATURE_NID, 0, &nid);
  return nid;
}

/* ---- asking ---- */

static int ask_and_wait(struct ik_tls_signing *signing, const struct iotkit_tls_to_sign *what,
                        uint8_t *out, size_t *len) {
  const struct ik_tls_signer *signer = signing->signer;
  iotkit_tls_signature_t *signature = signing->signature;
  if (signature == NULL || !signing->is_aside || !signing->is_due)
    return -1; /* once in a connection */
  signing->is_due = false;
  ik_tls_signature_ref(signature);
  const int rc = signer->begin(signer->ctx, what, signature);
  if (rc != 0) {
    ik_tls_signature_unref(signature);
    return rc;
  }
  switch (ik_tls_signature_await(signature, out, len, signing->reason)) {
  case IK_TLS_GIVEN:
    return 0;
  case IK_TLS_LOST:
    signing->error = IK_ENO_MEMORY;
    return -1;
  case IK_TLS_CANCELLED:
    if (signer->cancel != NULL) signer->cancel(signer->ctx, signature);
    return -1;
  default:
    return -1;
  }
}

/* The callback's signature, *len bytes of it; false: noted why not. */
static bool call(struct ik_tls_signing *signing, const struct iotkit_tls_to_sign *what,
                 uint8_t *signature, size_t *len) {
  const struct ik_tls_signer *signer = signing->signer;
  const size_t room = *len;
  if (signing->error != 0) return false;
  signing->returned = signer->begin != NULL ? ask_and_wait(signing, what, signature, len)
                                            : signer->sign(signer->ctx, what, signature, len);
  if (signing->returned == 0 && *len > 0 && *len <= room) return true;
  if (signing->error == 0)
    signing->error = signing->returned != 0 ? IK_ETLS_SIGNING : IK_ETLS_IDENTITY;
  return false;
}

/* A wrong signature is better known here than guessed from the server's alert. */
static bool judge(struct ik_tls_signing *signing, bool verified) {
  if (!verified) signing->error = IK_ETLS_IDENTITY;
  return verified;
}

/* ---- RSA ---- */

static bool is_pss(const struct ik_openssl *o, RSA *key, const struct message *message,
                   const uint8_t *block) {
  return message->digest_len > 0 &&
         o->RSA_verify_PKCS1_PSS_mgf1(key, message->digest, message->type, message->type, block,
                                      IK_RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* The block's power, or another RSA-PSS signature of the message. */
static bool fits_key(const struct ik_openssl *o, RSA *key, const struct iotkit_tls_to_sign *what,
                     const struct message *message, const uint8_t *signature) {
  uint8_t opened[IK_TLS_SIGNATURE_MAX];
  const int len = (int)what->len;
  if (o->RSA_public_decrypt(len, signature, opened, key, IK_RSA_NO_PADDING) != len) return false;
  return memcmp(opened, what->data, what->len) == 0 || is_pss(o, key, message, opened);
}

static bool sign_block(struct ik_tls_signing *signing, RSA *key, struct iotkit_tls_to_sign *what,
                       uint8_t *out) {
  const struct ik_openssl *o = signing->signer->openssl;
  struct message message;
  size_t len = what->len;
  int rc = recover(signing, chosen_digest(signing), &message);
  if (rc == IK_ENO_MEMORY) signing->error = rc;
  if (rc == 0 && is_pss(o, key, &message, what->data))
    show(what, &message);
  else
    message.digest_len = 0;
  const bool fits = call(signing, what, out, &len) &&
                    judge(signing, len == what->len && fits_key(o, key, what, &message, out));
  ik_buf_free(&message.text);
  return fits;
}

/* The private operation on a block that OpenSSL has padded. */
static int rsa_private(int len, const unsigned char *from, unsigned char *to, RSA *key,
                       int padding) {
  const struct ik_openssl *o = ik_openssl();
  struct ik_tls_signing *signing = o->RSA_get_ex_data(key, IK_OPENSSL_APP_DATA);
  const int size = o->RSA_size(key);
  if (signing == NULL || padding != IK_RSA_NO_PADDING || len != size || size > IK_TLS_SIGNATURE_MAX)
    return -1;
  struct iotkit_tls_to_sign what = {
      .scheme = IOTKIT_TLS_SIGN_RSA_RAW, .data = from, .len = (size_t)len};
  return sign_block(signing, key, &what, to) ? size : -1;
}

/* A digest; *len: room, then what was written. */
static bool sign_digest(struct ik_tls_signing *signing, struct iotkit_tls_to_sign *what, int nid,
                        uint8_t *out, size_t *len) {
  struct message message;
  int rc = recover(signing, nid, &message);
  if (rc == IK_ENO_MEMORY) signing->error = rc;
  if (rc == 0 && has_digest(&message, what->data, what->len)) show(what, &message);
  const bool called = call(signing, what, out, len);
  ik_buf_free(&message.text);
  return called;
}

static int rsa_sign(int type, const unsigned char *digest, unsigned int len, unsigned char *out,
                    unsigned int *out_len, const RSA *key) {
  const struct ik_openssl *o = ik_openssl();
  struct ik_tls_signing *signing = o->RSA_get_ex_data(key, IK_OPENSSL_APP_DATA);
  if (signing == NULL) return 0;
  size_t signature_len = (size_t)o->RSA_size(key);
  struct iotkit_tls_to_sign what = {
      .scheme = IOTKIT_TLS_SIGN_RSA_PKCS1, .digest_bits = len * 8, .data = digest, .len = len};
  if (!sign_digest(signing, &what, type, out, &signature_len)) return 0;
  *out_len = (unsigned)signature_len;
  RSA *verifier = signing->signer->rsa;
  return judge(signing, o->RSA_verify(type, digest, len, out, *out_len, verifier) == 1) ? 1 : 0;
}

/* ---- EC ---- */

/* An INTEGER of DER, of a number of `len` bytes; its length. */
static size_t put_integer(uint8_t *out, const uint8_t *number, size_t len) {
  while (len > 1 && number[0] == 0) {
    number++;
    len--;
  }
  const size_t sign_len = number[0] >= 0x80 ? 1 : 0; /* or it would be a negative one */
  out[0] = 0x02;
  out[1] = (uint8_t)(sign_len + len);
  out[2] = 0;
  memcpy(out + 2 + sign_len, number, len);
  return 2 + sign_len + len;
}

/* r and s, one after the other, as the SEQUENCE of both; false: they cannot be that. */
static bool to_sequence(const uint8_t *both, size_t len, uint8_t *out, size_t *out_len) {
  uint8_t body[2 * (ORDER_MAX + 3)];
  const size_t order = len / 2;
  if (len % 2 != 0 || order == 0 || order > ORDER_MAX) return false;
  size_t body_len = put_integer(body, both, order);
  body_len += put_integer(body + body_len, both + order, order);
  const size_t head_len = body_len < 0x80 ? 2 : 3;
  if (head_len + body_len > *out_len) return false;
  out[0] = 0x30;
  if (head_len == 3) out[1] = 0x81;
  out[head_len - 1] = (uint8_t)body_len;
  memcpy(out + head_len, body, body_len);
  *out_len = head_len + body_len;
  return true;
}

/* Whether it is one, in either form; then it is the SEQUENCE that TLS wants. */
static bool take_ec(EC_KEY *verifier, const struct iotkit_tls_to_sign *what, int type, uint8_t *out,
                    size_t *len, size_t room) {
  const struct ik_openssl *o = ik_openssl();
  uint8_t sequence[2 * (ORDER_MAX + 3) + 3];
  size_t sequence_len = room < sizeof sequence ? room : sizeof sequence;
  const int digest_len = (int)what->len;
  if (o->ECDSA_verify(type, what->data, digest_len, out, (int)*len, verifier) == 1) return true;
  if (!to_sequence(out, *len, sequence, &sequence_len) ||
      o->ECDSA_verify(type, what->data, digest_len, sequence, (int)sequence_len, verifier) != 1)
    return false;
  memcpy(out, sequence, sequence_len);
  *len = sequence_len;
  return true;
}

static int ec_sign(int type, const unsigned char *digest, int len, unsigned char *out,
                   unsigned int *out_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key) {
  const struct ik_openssl *o = ik_openssl();
  struct ik_tls_signing *signing = o->EC_KEY_get_ex_data(key, IK_OPENSSL_APP_DATA);
  (void)kinv;
  (void)r;
  if (signing == NULL || len <= 0) return 0;
  const size_t room = (size_t)o->ECDSA_size(key);
  size_t signature_len = room;
  struct iotkit_tls_to_sign what = {.scheme = IOTKIT_TLS_SIGN_ECDSA,
                                    .digest_bits = (unsigned)len * 8,
                                    .data = digest,
                                    .len = (size_t)len};
  if (!sign_digest(signing, &what, type, out, &signature_len)) return 0;
  const bool is_one = take_ec(signing->signer->ec, &what, type, out, &signature_len, room);
  *out_len = (unsigned)signature_len;
  return judge(signing, is_one) ? 1 : 0;
}

static int no_ec_setup(EC_KEY *key, BN_CTX *ctx, BIGNUM **kinv, BIGNUM **r) {
  (void)key;
  (void)ctx;
  (void)kinv;
  (void)r;
  return 1;
}

/* Nobody asks for a signature in parts during a handshake. */
static ECDSA_SIG *no_ec_sign_sig(const unsigned char *digest, int len, const BIGNUM *kinv,
                                 const BIGNUM *r, EC_KEY *key) {
  (void)digest;
  (void)len;
  (void)kinv;
  (void)r;
  (void)key;
  return NULL;
}

static struct {
  pthread_mutex_t lock;
  RSA_METHOD *rsa; /* under `lock`; NULL: not made yet */
  EC_KEY_METHOD *ec;
} methods = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const RSA_METHOD *rsa_method(const struct ik_openssl *o) {
  pthread_mutex_lock(&methods.lock);
  if (methods.rsa == NULL && (methods.rsa = o->RSA_meth_dup(o->RSA_PKCS1_OpenSSL())) != NULL) {
    (void)o->RSA_meth_set_priv_enc(methods.rsa, rsa_private);
    (void)o->RSA_meth_set_sign(methods.rsa, rsa_sign);
  }
  const RSA_METHOD *method = methods.rsa;
  pthread_mutex_unlock(&methods.lock);
  return method;
}

static const EC_KEY_METHOD *ec_method(const struct ik_openssl *o) {
  pthread_mutex_lock(&methods.lock);
  if (methods.ec == NULL && (methods.ec = o->EC_KEY_METHOD_new(o->EC_KEY_OpenSSL())) != NULL)
    o->EC_KEY_METHOD_set_sign(methods.ec, ec_sign, no_ec_setup, no_ec_sign_sig);
  const EC_KEY_METHOD *method = methods.ec;
  pthread_mutex_unlock(&methods.lock);
  return method;
}

/* ---- keys ---- */

static RSA *dup_public(const struct ik_openssl *o, const RSA *rsa) {
  const BIGNUM *n = NULL;
  const BIGNUM *e = NULL;
  o->RSA_get0_key(rsa, &n, &e, NULL);
  RSA *copy = o->RSA_new();
  BIGNUM *own_n = o->BN_dup(n);
  BIGNUM *own_e = o->BN_dup(e);
  if (copy != NULL && own_n != NULL && own_e != NULL && o->RSA_set0_key(copy, own_n, own_e, NULL))
    return copy;
  o->BN_free(own_n);
  o->BN_free(own_e);
  o->RSA_free(copy);
  return NULL;
}

static bool fill_rsa(const struct ik_tls_signer *signer, struct ik_tls_signing *signing,
                     EVP_PKEY *key) {
  const struct ik_openssl *o = signer->openssl;
  const RSA_METHOD *method = rsa_method(o);
  RSA *rsa = method == NULL ? NULL : dup_public(o, signer->rsa);
  if (rsa == NULL) return false;
  const bool done = o->RSA_set_method(rsa, method) == 1 &&
                    o->RSA_set_ex_data(rsa, IK_OPENSSL_APP_DATA, signing) == 1 &&
                    o->EVP_PKEY_set1_RSA(key, rsa) == 1;
  o->RSA_free(rsa);
  return done;
}

static bool fill_ec(const struct ik_tls_signer *signer, struct ik_tls_signing *signing,
                    EVP_PKEY *key) {
  const struct ik_openssl *o = signer->openssl;
  const EC_KEY_METHOD *method = ec_method(o);
  EC_KEY *ec = method == NULL ? NULL : o->EC_KEY_dup(signer->ec);
  if (ec == NULL) return false;
  const bool done = o->EC_KEY_set_method(ec, method) == 1 &&
                    o->EC_KEY_set_ex_data(ec, IK_OPENSSL_APP_DATA, signing) == 1 &&
                    o->EVP_PKEY_set1_EC_KEY(key, ec) == 1;
  o->EC_KEY_free(ec);
  return done;
}

/* A key that calls back, for one connection. NULL: out of memory. */
static EVP_PKEY *make_key(const struct ik_tls_signer *signer, struct ik_tls_signing *signing) {
  const struct ik_openssl *o = signer->openssl;
  EVP_PKEY *key = o->EVP_PKEY_new();
  if (key == NULL) return NULL;
  const bool done =
      signer->rsa != NULL ? fill_rsa(signer, signing, key) : fill_ec(signer, signing, key);
  if (done) return key;
  o->EVP_PKEY_free(key);
  return NULL;
}

/* OpenSSL is about to show our certificate, and then signs: 1 goes on, -1 comes back first. */
static int before_certificate(SSL *ssl, void *arg) {
  struct ik_tls_signing *signing = arg;
  (void)ssl;
  if (signing->signature == NULL || signing->is_aside) return 1;
  signing->is_due = true;
  return -1;
}

int ik_tls_signing_begin(const struct ik_tls_signer *signer, SSL *ssl,
                         struct ik_tls_signing *signing) {
  const struct ik_openssl *o = signer->openssl;
  *signing = (struct ik_tls_signing){.signer = signer};
  if (signer->begin != NULL) {
    signing->signature = ik_tls_signature_new();
    if (signing->signature == NULL) return IK_ENO_MEMORY;
    o->SSL_set_cert_cb(ssl, before_certificate, signing);
  }
  EVP_PKEY *key = make_key(signer, signing);
  if (key == NULL) return IK_ENO_MEMORY;
  const int used = o->SSL_use_PrivateKey(ssl, key);
  o->EVP_PKEY_free(key);
  if (used != 1) return IK_ETLS;
  ik_tls_transcript_begin(&signing->transcript, o, ssl);
  return 0;
}

void ik_tls_signing_end(struct ik_tls_signing *signing) {
  ik_tls_transcript_stop(&signing->transcript);
  ik_tls_signature_unref(signing->signature);
  signing->signature = NULL;
}

/* ---- the signer ---- */

static int take_public(struct ik_tls_signer *signer, X509 *cert, char *detail) {
  const struct ik_openssl *o = signer->openssl;
  EVP_PKEY *key = o->X509_get_pubkey(cert);
  if (key != NULL) {
    signer->rsa = o->EVP_PKEY_get1_RSA(key);
    if (signer->rsa == NULL) signer->ec = o->EVP_PKEY_get1_EC_KEY(key);
    o->EVP_PKEY_free(key);
  }
  if (signer->rsa != NULL || signer->ec != NULL) return 0;
  return ik_refuse(detail, IK_ETLS_IDENTITY,
                   "client certificate: a callback can sign for RSA and EC keys only");
}

int ik_tls_signer_new(const struct ik_openssl *o, X509 *cert,
                      const struct iotkit_tls_options *options, struct ik_tls_signer **out,
                      char *detail) {
  *out = NULL;
  if (!o->has_signer)
    return ik_refuse(detail, IK_ETLS_UNAVAILABLE,
                     "the OpenSSL that was found (%s) has no RSA_METHOD and EC_KEY_METHOD, which a "
                     "callback that signs needs",
                     iotkit_tls_source());
  struct ik_tls_signer *signer = calloc(1, sizeof *signer);
  if (signer == NULL) return IK_ENO_MEMORY;
  signer->openssl = o;
  signer->sign = options->sign;
  signer->begin = options->sign_begin;
  signer->cancel = options->sign_cancel;
  signer->end = options->sign_free;
  signer->ctx = options->sign_ctx;
  const int rc = take_public(signer, cert, detail);
  if (rc == 0)
    *out = signer;
  else
    ik_tls_signer_free(signer);
  return rc;
}

void ik_tls_signer_announce_end(struct ik_tls_signer *signer) {
  if (signer != NULL) signer->is_announced = true;
}

void ik_tls_signer_free(struct ik_tls_signer *signer) {
  if (signer == NULL) return;
  if (signer->is_announced && signer->end != NULL) signer->end(signer->ctx);
  if (signer->rsa != NULL) signer->openssl->RSA_free(signer->rsa);
  if (signer->ec != NULL) signer->openssl->EC_KEY_free(signer->ec);
  free(signer);
}
