/* Tested by deps/iotkit/test/port/openssl/test_tls_signer_threads.c. */
/*
 * tls_transcript.c - the messages of a handshake, put together as the two versions of TLS have them signed.
 *
 * TLS 1.2 signs the messages themselves. TLS 1.3 signs a text with the digest of the messages, in which a
 * ClientHello that the server had repeated stands as its digest.
 */
#include "port/openssl/tls_transcript.h"

#include <string.h>

#include "base/limits.h"
#include "port/port.h"

#define HEADER_LEN 4 /* type and length of a message */
#define RANDOM_AT 6  /* in a ServerHello: header, version */
#define RANDOM_LEN 32
#define PADDING_LEN 64
#define LONGEST_DIGEST 64

/* The random of a ServerHello that asks for another ClientHello: RFC 8446, 4.1.3. */
static const uint8_t retry_random[RANDOM_LEN] = {
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};

static void on_message(int is_ours, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg) {
  struct ik_tls_transcript *transcript = arg;
  (void)is_ours;
  (void)version;
  (void)ssl;
  if (transcript == NULL || type != IK_SSL3_RT_HANDSHAKE || len < HEADER_LEN) return;
  if (*(const uint8_t *)data == IK_SSL3_MT_HELLO_REQUEST) return; /* no part of it */
  if (transcript->error == 0) transcript->error = ik_buf_append(&transcript->messages, data, len);
  if (transcript->first_len == 0) transcript->first_len = len;
}

void ik_tls_transcript_begin(struct ik_tls_transcript *transcript, const struct ik_openssl *o,
                             SSL *ssl) {
  *transcript = (struct ik_tls_transcript){.openssl = o, .ssl = ssl};
  ik_buf_init(&transcript->messages, IK_TLS_TRANSCRIPT_MAX);
  o->SSL_set_msg_callback(ssl, on_message);
  (void)o->SSL_ctrl(ssl, IK_SSL_CTRL_SET_MSG_CALLBACK_ARG, 0, transcript);
}

void ik_tls_transcript_stop(struct ik_tls_transcript *transcript) {
  if (transcript->ssl == NULL) return;
  transcript->openssl->SSL_set_msg_callback(transcript->ssl, NULL);
  (void)transcript->openssl->SSL_ctrl(transcript->ssl, IK_SSL_CTRL_SET_MSG_CALLBACK_ARG, 0, NULL);
  ik_buf_free(&transcript->messages);
  transcript->ssl = NULL;
}

size_t ik_tls_digest(const struct ik_openssl *o, const EVP_MD *type, const void *data, size_t len,
                     uint8_t out[64]) {
  unsigned int out_len = 0;
  EVP_MD_CTX *ctx = o->EVP_MD_CTX_new();
  const bool done = ctx != NULL && o->EVP_DigestInit_ex(ctx, type, NULL) == 1 &&
                    o->EVP_DigestUpdate(ctx, data, len) == 1 &&
                    o->EVP_DigestFinal_ex(ctx, out, &out_len) == 1;
  o->EVP_MD_CTX_free(ctx);
  return done ? out_len : 0;
}

/* Whether the message after the first ClientHello had it repeated. */
static bool was_retried(const struct ik_tls_transcript *transcript) {
  const uint8_t *second = ik_buf_ptr(&transcript->messages) + transcript->first_len;
  const size_t left = ik_buf_size(&transcript->messages) - transcript->first_len;
  return left >= RANDOM_AT + RANDOM_LEN && second[0] == IK_SSL3_MT_SERVER_HELLO &&
         memcmp(second + RANDOM_AT, retry_random, RANDOM_LEN) == 0;
}

/* The messages as TLS 1.3 takes their digest. */
static int append_for_digest(const struct ik_tls_transcript *transcript, const EVP_MD *type,
                             struct ik_buf *out) {
  const uint8_t *messages = ik_buf_ptr(&transcript->messages);
  const size_t len = ik_buf_size(&transcript->messages);
  if (!was_retried(transcript)) return ik_buf_append(out, messages, len);
  uint8_t first[HEADER_LEN + LONGEST_DIGEST] = {IK_SSL3_MT_MESSAGE_HASH, 0, 0, 0};
  const size_t digest_len =
      ik_tls_digest(transcript->openssl, type, messages, transcript->first_len, first + HEADER_LEN);
  if (digest_len == 0) return IK_ENO_MEMORY;
  first[HEADER_LEN - 1] = (uint8_t)digest_len;
  const int rc = ik_buf_append(out, first, HEADER_LEN + digest_len);
  if (rc != 0) return rc;
  return ik_buf_append(out, messages + transcript->first_len, len - transcript->first_len);
}

static int append_tls13(const struct ik_tls_transcript *transcript, struct ik_buf *out) {
  static const char context[] = "TLS 1.3, client CertificateVerify"; /* and its NUL */
  const struct ik_openssl *o = transcript->openssl;
  const SSL_CIPHER *cipher = o->SSL_get_current_cipher(transcript->ssl);
  const EVP_MD *type = cipher == NULL ? NULL : o->SSL_CIPHER_get_handshake_digest(cipher);
  uint8_t padding[PADDING_LEN];
  uint8_t digest[LONGEST_DIGEST];
  struct ik_buf all;
  if (type == NULL) return IK_ETLS;
  ik_buf_init(&all, IK_TLS_TRANSCRIPT_MAX);
  int rc = append_for_digest(transcript, type, &all);
  const size_t digest_len =
      rc != 0 ? 0 : ik_tls_digest(o, type, ik_buf_ptr(&all), ik_buf_size(&all), digest);
  ik_buf_free(&all);
  if (digest_len == 0) return rc != 0 ? rc : IK_ENO_MEMORY;
  memset(padding, ' ', sizeof padding);
  rc = ik_buf_append(out, padding, sizeof padding);
  if (rc == 0) rc = ik_buf_append(out, context, sizeof context);
  return rc == 0 ? ik_buf_append(out, digest, digest_len) : rc;
}

int ik_tls_transcript_message(const struct ik_tls_transcript *transcript, struct ik_buf *out) {
  if (transcript->error != 0) return transcript->error;
  if (transcript->ssl == NULL || transcript->first_len == 0) return IK_ETLS;
  if (transcript->openssl->SSL_version(transcript->ssl) >= IK_TLS1_3_VERSION)
    return append_tls13(transcript, out);
  return ik_buf_append(out, ik_buf_ptr(&transcript->messages), ik_buf_size(&transcript->messages));
}
