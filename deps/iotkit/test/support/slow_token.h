/*
 * slow_token.h - a client's key as hardware has it: asked on one thread, answered on another.
 */
#ifndef TEST_SLOW_TOKEN_H
#define TEST_SLOW_TOKEN_H

#include <openssl/evp.h>
#include <pthread.h>

#include "support/tls_client.h"

#define TOKEN_ROOM 512

/* The hardware, and the thread that talks to it. */
struct token {
  EVP_PKEY *key;
  bool is_by_message; /* it signs messages, with a salt of its own for RSA-PSS */
  bool is_pair;       /* an EC signature is r and s, one after the other */
  bool is_wrong;      /* one bit of each signature is */
  size_t claims;      /* so many bytes instead of a signature */
  const char *reason; /* of a failure instead of a signature */
  int begins_with;    /* returned by begin */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  iotkit_tls_signature_t *asked; /* under `lock`, as all below */
  struct iotkit_tls_to_sign what;
  uint8_t data[TOKEN_ROOM];
  uint8_t message[1 << 16];
  pthread_t begun_on;
  unsigned begun;
  unsigned cancelled;
  unsigned ended;
};

/* Zeroed but for how it is to behave. */
void token_init(struct token *token, const struct test_cert *cert);
void token_deinit(struct token *token);
/* Of iotkit_tls_options: sign_begin and sign_free. */
int token_begin(void *token, const struct iotkit_tls_to_sign *what,
                iotkit_tls_signature_t *signature);
void token_end(void *token);
/* Waits until a signature is asked for, and takes the question. */
iotkit_tls_signature_t *token_take(struct token *token);
/* Over what was asked last: by the message, or by `data`. *len: room, then what was written. */
void token_sign_message(struct token *token, uint8_t *out, size_t *len);
void token_sign_data(struct token *token, uint8_t *out, size_t *len);
/* Of pthread_create(): answers one question, as the token is to behave. */
void *token_answer(void *token);
iotkit_tls_t *token_context(const struct test_cert *cert, struct token *token);
/* A server that wants a client certificate; 0 and NULL: as it likes. */
struct tls_server *token_serve(int version, const char *algorithms, const char *groups);

#endif
