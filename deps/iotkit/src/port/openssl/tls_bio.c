/* Tested by deps/iotkit/test/port/openssl/test_tls_conn.c. */
/*
 * tls_bio.c - the BIO. Its method is made once, under the lock of the process, and stays
 * until that ends; a BIO belongs to its SSL.
 */
#include "port/openssl/tls_bio.h"

static BIO_METHOD *method; /* NULL: not made yet, or there was no memory for it */

static ptrdiff_t receive_bytes(struct ik_tls_socket *socket, void *buf, size_t len) {
  if (socket->reads_left == 0 || socket->bytes_left == 0) return IK_EAGAIN;
  socket->reads_left--;
  ptrdiff_t n = ik_tcp_read(socket->fd, buf, len < socket->bytes_left ? len : socket->bytes_left);
  if (n > 0) socket->bytes_left -= (size_t)n;
  if (n == 0) socket->at_end = true;
  if (n == IK_EAGAIN) socket->dry = true;
  if (n < 0 && n != IK_EAGAIN) socket->receive_error = (int)n;
  return n;
}

static ptrdiff_t send_bytes(struct ik_tls_socket *socket, const void *data, size_t len) {
  ptrdiff_t n = socket->send_error != 0 ? IK_EAGAIN : ik_tcp_write(socket->fd, data, len);
  if (n >= 0 || n == IK_EAGAIN) return n;
  /*
   * OpenSSL is told to try later: after an error it would not let us read what the peer had sent
   * before it closed the connection.
   */
  socket->send_error = (int)n;
  return IK_EAGAIN;
}

static int bio_read(BIO *bio, char *buf, int len) {
  const struct ik_openssl *o = ik_openssl();
  o->BIO_clear_flags(bio, IK_BIO_FLAGS_RWS | IK_BIO_FLAGS_SHOULD_RETRY);
  if (len <= 0) return 0;
  ptrdiff_t n = receive_bytes(o->BIO_get_data(bio), buf, (size_t)len);
  if (n == IK_EAGAIN) o->BIO_set_flags(bio, IK_BIO_FLAGS_READ | IK_BIO_FLAGS_SHOULD_RETRY);
  return n >= 0 ? (int)n : -1;
}

static int bio_write(BIO *bio, const char *data, int len) {
  const struct ik_openssl *o = ik_openssl();
  o->BIO_clear_flags(bio, IK_BIO_FLAGS_RWS | IK_BIO_FLAGS_SHOULD_RETRY);
  if (len <= 0) return 0;
  ptrdiff_t n = send_bytes(o->BIO_get_data(bio), data, (size_t)len);
  if (n == IK_EAGAIN) o->BIO_set_flags(bio, IK_BIO_FLAGS_WRITE | IK_BIO_FLAGS_SHOULD_RETRY);
  return n >= 0 ? (int)n : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)number;
  (void)pointer;
  if (command == IK_BIO_CTRL_FLUSH) return 1;
  if (command != IK_BIO_CTRL_EOF) return 0;
  const struct ik_tls_socket *socket = ik_openssl()->BIO_get_data(bio);
  return socket->at_end;
}

static BIO_METHOD *make_method(const struct ik_openssl *o) {
  static int index; /* there are few: one is taken */
  if (index <= 0) index = o->BIO_get_new_index();
  BIO_METHOD *made = o->BIO_meth_new(index | IK_BIO_TYPE_SOURCE_SINK, "iotkit socket");
  if (made == NULL) return NULL;
  o->BIO_meth_set_read(made, bio_read);
  o->BIO_meth_set_write(made, bio_write);
  o->BIO_meth_set_ctrl(made, bio_ctrl);
  return made;
}

static const BIO_METHOD *the_method(const struct ik_openssl *o) {
  ik_process_lock();
  if (method == NULL) method = make_method(o);
  const BIO_METHOD *made = method;
  ik_process_unlock();
  return made;
}

BIO *ik_tls_bio_new(const struct ik_openssl *o, struct ik_tls_socket *socket) {
  const BIO_METHOD *of_ours = the_method(o);
  BIO *bio = of_ours == NULL ? NULL : o->BIO_new(of_ours);
  if (bio == NULL) return NULL;
  o->BIO_set_data(bio, socket);
  o->BIO_set_init(bio, 1);
  return bio;
}
