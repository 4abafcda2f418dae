#if defined(IK_OPENSSL_LINKED)

/*
 * tls_front.c - accepts, shakes hands, connects to the plain server and copies both ways until one
 * side ends.
 */
#include "support/tls_front.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_core.h"
#include "support/tcp_peer.h"

struct tls_front {
  SSL_CTX *context;
  int listener;
  uint16_t port;
  uint16_t plain_port;
  iotkit_thread_t *thread;
  pthread_mutex_t mutex;
  bool stopping;
  int fds[2]; /* of the connection: client, server; -1: none */
};

static SSL_CTX *make_context(const char *cert, const char *key) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  BIO *cert_bio = BIO_new_mem_buf(cert, -1);
  BIO *key_bio = BIO_new_mem_buf(key, -1);
  if (context == NULL || cert_bio == NULL || key_bio == NULL) abort();
  X509 *x509 = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
  EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
  if (SSL_CTX_use_certificate(context, x509) != 1 || SSL_CTX_use_PrivateKey(context, pkey) != 1) {
    abort();
  }
  X509_free(x509);
  EVP_PKEY_free(pkey);
  BIO_free(cert_bio);
  BIO_free(key_bio);
  return context;
}

static void require_client(SSL_CTX *context, const char *client_ca) {
  BIO *bio = BIO_new_mem_buf(client_ca, -1);
  X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  if (ca == NULL || X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) != 1) abort();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  X509_free(ca);
  BIO_free(bio);
}

static int connect_plain(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* False: that side has ended. */
static bool from_plain(SSL *ssl, int plain) {
  char block[16384];
  ssize_t n = recv(plain, block, sizeof(block), 0);
  if (n == 0) SSL_shutdown(ssl);
  if (n < 0) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
  }
  return n > 0 && SSL_write(ssl, block, (int)n) == n;
}

static bool to_plain(SSL *ssl, int plain) {
  char block[16384];
  int n = SSL_read(ssl, block, sizeof(block));
  return n > 0 && peer_write(plain, block, (size_t)n);
}

static void copy(SSL *ssl, int client, int plain) {
  struct pollfd fds[2] = {{client, POLLIN, 0}, {plain, POLLIN, 0}};
  bool on = true;
  while (on && poll(fds, 2, TEST_LIMIT_MS) > 0) {
    if (fds[0].revents != 0) on = to_plain(ssl, plain);
    while (on && SSL_pending(ssl) > 0)
      on = to_plain(ssl, plain);
    if (on && fds[1].revents != 0) on = from_plain(ssl, plain);
  }
}

static void serve(struct tls_front *front, int client) {
  SSL *ssl = SSL_new(front->context);
  int plain = -1;
  if (ssl == NULL) abort();
  SSL_set_fd(ssl, client);
  if (SSL_accept(ssl) == 1) plain = connect_plain(front->plain_port);
  pthread_mutex_lock(&front->mutex);
  front->fds[1] = plain;
  bool stopping = front->stopping;
  pthread_mutex_unlock(&front->mutex);
  if (plain >= 0 && !stopping) copy(ssl, client, plain);
  pthread_mutex_lock(&front->mutex);
  front->fds[0] = front->fds[1] = -1;
  pthread_mutex_unlock(&front->mutex);
  SSL_free(ssl);
  ERR_clear_error();
  if (plain >= 0) close(plain);
  close(client);
}

static void run(void *arg) {
  struct tls_front *front = arg;
  for (;;) {
    int client = peer_accept(front->listener);
    if (client < 0) break;
    pthread_mutex_lock(&front->mutex);
    front->fds[0] = client;
    bool stopping = front->stopping;
    pthread_mutex_unlock(&front->mutex);
    if (stopping) {
      close(client);
      break;
    }
    serve(front, client);
  }
}

struct tls_front *tls_front_start(uint16_t plain_port, const char *cert, const char *key) {
  return tls_front_start_for(plain_port, cert, key, NULL);
}

struct tls_front *tls_front_start_for(uint16_t plain_port, const char *cert, const char *key,
                                      const char *client_ca) {
  struct tls_front *front = calloc(1, sizeof(*front));
  if (front == NULL) abort();
  front->context = make_context(cert, key);
  if (client_ca != NULL) require_client(front->context, client_ca);
  front->plain_port = plain_port;
  front->fds[0] = front->fds[1] = -1;
  front->listener = peer_listen(4, &front->port);
  pthread_mutex_init(&front->mutex, NULL);
  /* Signals are blocked in the thread: OpenSSL's own socket writes would raise SIGPIPE here. */
  if (front->listener < 0 || iotkit_thread_start(&front->thread, "tls-front", 0, run, front) != 0) {
    abort();
  }
  return front;
}

uint16_t tls_front_port(const struct tls_front *front) {
  return front->port;
}

void tls_front_stop(struct tls_front *front) {
  pthread_mutex_lock(&front->mutex);
  front->stopping = true;
  for (int i = 0; i < 2; i++) {
    if (front->fds[i] >= 0) shutdown(front->fds[i], SHUT_RDWR);
  }
  pthread_mutex_unlock(&front->mutex);
  shutdown(front->listener, SHUT_RDWR);
  iotkit_thread_join(front->thread);
  close(front->listener);
  SSL_CTX_free(front->context);
  pthread_mutex_destroy(&front->mutex);
  free(front);
}

#else
typedef int tls_front_needs_openssl;
#endif
