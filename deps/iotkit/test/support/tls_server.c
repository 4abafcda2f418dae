#if defined(IK_OPENSSL_LINKED)

#include "tls_server.h"

#define OPENSSL_SUPPRESS_DEPRECATED 1 /* the parameters of DH are set in one way in 1.1.1 and 3.x */
#include <openssl/dh.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_core.h"
#include "tcp_peer.h"

#define REQUIRE(condition)                                                                         \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

struct tls_server {
  struct tls_server_options options;
  SSL_CTX *ctx;
  int listener;
  uint16_t port;
  iotkit_thread_t *thread;
  struct tls_server_counts counts;
};

uint8_t tls_server_byte(size_t at) {
  return (uint8_t)(at * 31 + at / 4096);
}

static X509 *read_cert(const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  REQUIRE(cert != NULL);
  BIO_free(bio);
  return cert;
}

static void use_identity(SSL_CTX *ctx, const struct tls_server_options *options) {
  X509 *cert = read_cert(options->cert);
  BIO *bio = BIO_new_mem_buf(options->key, -1);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  REQUIRE(SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
  EVP_PKEY_free(key);
  X509_free(cert);
  BIO_free(bio);
}

static void weaken_dh(SSL_CTX *ctx) {
  DH *dh = DH_get_1024_160();
  SSL_CTX_set_security_level(ctx, 0);
  REQUIRE(dh != NULL && SSL_CTX_set_tmp_dh(ctx, dh) == 1);
  DH_free(dh);
  REQUIRE(SSL_CTX_set_cipher_list(ctx, "DHE-RSA-AES128-GCM-SHA256") == 1);
}

static void refuse_revoked(SSL_CTX *ctx, const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  REQUIRE(crl != NULL && X509_STORE_add_crl(store, crl) == 1);
  REQUIRE(X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1);
  X509_CRL_free(crl);
  BIO_free(bio);
}

static SSL_CTX *new_context(const struct tls_server_options *options) {
  static const unsigned char id[] = "test";
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  REQUIRE(ctx != NULL);
  if (options->max_version != 0) SSL_CTX_set_security_level(ctx, 0);
  use_identity(ctx, options);
  SSL_CTX_set_session_id_context(ctx, id, sizeof id);
  if (options->tickets != 0) REQUIRE(SSL_CTX_set_num_tickets(ctx, options->tickets) == 1);
  if (options->weak_dh) weaken_dh(ctx);
  if (options->max_version != 0) {
    SSL_CTX_set_min_proto_version(ctx, 0);
    SSL_CTX_set_max_proto_version(ctx, options->max_version);
  }
  if (options->groups != NULL) REQUIRE(SSL_CTX_set1_groups_list(ctx, options->groups) == 1);
  if (options->client_sign_algorithms != NULL)
    REQUIRE(SSL_CTX_set1_client_sigalgs_list(ctx, options->client_sign_algorithms) == 1);
  if (options->client_ca != NULL) {
    X509 *ca = read_cert(options->client_ca);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca);
    X509_free(ca);
    if (options->client_crl != NULL) refuse_revoked(ctx, options->client_crl);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  }
  return ctx;
}

static void echo(SSL *ssl) {
  char buf[16384];
  int n;
  while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
    if (SSL_write(ssl, buf, n) <= 0) return;
}

static void send_bytes(SSL *ssl, size_t bytes) {
  uint8_t buf[65536];
  for (size_t at = 0; at < bytes;) {
    size_t len = bytes - at < sizeof buf ? bytes - at : sizeof buf;
    for (size_t i = 0; i < len; i++)
      buf[i] = tls_server_byte(at + i);
    if (SSL_write(ssl, buf, (int)len) <= 0) return;
    at += len;
  }
}

static void sink(SSL *ssl, size_t bytes) {
  uint8_t buf[16384], answer[8];
  uint64_t sum = 0;
  size_t done = 0;
  while (done < bytes) {
    int n = SSL_read(ssl, buf, sizeof buf);
    if (n <= 0) return;
    for (int i = 0; i < n; i++)
      sum += buf[i];
    done += (size_t)n;
  }
  for (int i = 0; i < 8; i++)
    answer[i] = (uint8_t)(sum >> (56 - 8 * i));
  SSL_write(ssl, answer, sizeof answer);
}

static bool send_all(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, data, len, 0);
    if (n <= 0) return false;
    data += n;
    len -= (size_t)n;
  }
  return true;
}

/* Many records in one piece, so that the client is slower in taking them in than this is in sending
 * them. */
static void stream_keys(SSL *ssl, const struct tls_server_options *options) {
  const int batch = 1000;
  int fd = SSL_get_fd(ssl);
  char *data;
  long len;
  if (options->bytes > 0) SSL_write(ssl, options->text, (int)options->bytes);
  BIO *memory = BIO_new(BIO_s_mem());
  SSL_set0_wbio(ssl, memory);
  do {
    (void)BIO_reset(memory);
    for (int i = 0; i < batch; i++)
      REQUIRE(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1);
    len = BIO_get_mem_data(memory, &data);
  } while (send_all(fd, data, (size_t)len));
}

static void count(struct tls_server *server, SSL *ssl) {
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  server->counts.handshakes++;
  if (SSL_session_reused(ssl)) server->counts.resumed++;
  if (server->options.client_ca != NULL) server->counts.client_certs++;
  snprintf(server->counts.server_name, sizeof server->counts.server_name, "%s",
           name == NULL ? "" : name);
}

static void talk(struct tls_server *server, SSL *ssl) {
  char byte;
  switch (server->options.mode) {
  case TLS_SERVER_ECHO:
    echo(ssl);
    break;
  case TLS_SERVER_SINK:
    sink(ssl, server->options.bytes);
    break;
  case TLS_SERVER_KEYS:
    stream_keys(ssl, &server->options);
    return;
  default:
    send_bytes(ssl, server->options.bytes);
    break;
  }
  if (server->options.mode != TLS_SERVER_CUT) {
    SSL_shutdown(ssl);
    SSL_read(ssl, &byte, 1); /* until the client's end */
  }
  if (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) server->counts.peer_closed++;
}

static void serve(struct tls_server *server, int fd) {
  char byte;
  if (server->options.mode == TLS_SERVER_MUTE) {
    while (recv(fd, &byte, 1, 0) > 0) {}
    return;
  }
  SSL *ssl = SSL_new(server->ctx);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    count(server, ssl);
    talk(server, ssl);
  } else {
    /* Closing on unread bytes would be a reset, and may overtake the alert. */
    shutdown(fd, SHUT_WR);
    while (recv(fd, &byte, 1, 0) > 0) {}
  }
  SSL_free(ssl);
}

static void run(void *arg) {
  struct tls_server *server = arg;
  int fd;
  while ((fd = peer_accept(server->listener)) >= 0) {
    serve(server, fd);
    shutdown(fd, SHUT_WR);
    close(fd);
  }
}

struct tls_server *tls_server_start(const struct tls_server_options *options) {
  struct tls_server *server = calloc(1, sizeof *server);
  REQUIRE(server != NULL);
  server->options = *options;
  server->ctx = new_context(options);
  server->listener = peer_listen(4, &server->port);
  REQUIRE(server->listener >= 0);
  /* Signals are blocked in the thread: OpenSSL's own socket writes would raise SIGPIPE here. */
  REQUIRE(iotkit_thread_start(&server->thread, "tls-server", 0, run, server) == 0);
  return server;
}

uint16_t tls_server_port(const struct tls_server *server) {
  return server->port;
}

struct tls_server_counts tls_server_stop(struct tls_server *server) {
  shutdown(server->listener, SHUT_RDWR);
  iotkit_thread_join(server->thread);
  close(server->listener);
  SSL_CTX_free(server->ctx);
  struct tls_server_counts counts = server->counts;
  free(server);
  return counts;
}

#else
typedef int test_tls_server_unused;
#endif
