/*
 * tls_bio.c - OpenSSL's way to the socket. The method is made once and stays; a BIO belongs to its
 * SSL.
 */
#include <pthread.h>

#include "tls.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static int bio_read(BIO *bio, char *buf, int len) {
  const struct ik_openssl *o = ik_openssl();
  o->BIO_clear_flags(bio, IK_BIO_FLAGS_RWS | IK_BIO_FLAGS_SHOULD_RETRY);
  if (len <= 0) return 0;
  ptrdiff_t n = ik_tls_conn_receive(o->BIO_get_data(bio), buf, (size_t)len);
  if (n == IK_EAGAIN) o->BIO_set_flags(bio, IK_BIO_FLAGS_READ | IK_BIO_FLAGS_SHOULD_RETRY);
  return n >= 0 ? (int)n : -1;
}

static int bio_write(BIO *bio, const char *data, int len) {
  const struct ik_openssl *o = ik_openssl();
  o->BIO_clear_flags(bio, IK_BIO_FLAGS_RWS | IK_BIO_FLAGS_SHOULD_RETRY);
  if (len <= 0) return 0;
  ptrdiff_t n = ik_tls_conn_send(o->BIO_get_data(bio), data, (size_t)len);
  if (n == IK_EAGAIN) o->BIO_set_flags(bio, IK_BIO_FLAGS_WRITE | IK_BIO_FLAGS_SHOULD_RETRY);
  return n >= 0 ? (int)n : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)number;
  (void)pointer;
  if (command == IK_BIO_CTRL_FLUSH) return 1;
  if (command == IK_BIO_CTRL_EOF) return ik_tls_conn_at_end(ik_openssl()->BIO_get_data(bio));
  return 0;
}

static void make_method(void) {
  const struct ik_openssl *o = ik_openssl();
  method = o->BIO_meth_new(o->BIO_get_new_index() | IK_BIO_TYPE_SOURCE_SINK, "iotkit socket");
  if (method == NULL) return;
  o->BIO_meth_set_read(method, bio_read);
  o->BIO_meth_set_write(method, bio_write);
  o->BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *ik_tls_bio_new(const struct ik_openssl *o, struct ik_tls_conn *conn) {
  pthread_once(&once, make_method);
  BIO *bio = method == NULL ? NULL : o->BIO_new(method);
  if (bio == NULL) return NULL;
  o->BIO_set_data(bio, conn);
  o->BIO_set_init(bio, 1);
  return bio;
}
