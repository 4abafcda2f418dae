/*
 * tls_conn.c - one TLS connection over a descriptor of the caller's. Owns its SSL and a reference
 * to the context.
 *
 * OpenSSL's error queue belongs to the thread, so it is emptied before each call (SSL_get_error
 * reads it) and after failures.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/limits.h"
#include "iotkit_mqtt.h"
#include "tls.h"

struct ik_tls_conn {
  const struct ik_openssl *openssl;
  iotkit_tls_t *tls; /* a reference */
  SSL *ssl;
  int fd;
  int wants;
  bool open;   /* the handshake is done */
  bool broken; /* OpenSSL must not be called any more but to free */
  bool at_end; /* the descriptor gave FIN */
  bool filled; /* the last read filled the caller's buffer: there may be more inside */
  int receive_error;
  int send_error;
  int late_error;    /* met after bytes that had to be given first; told by the next read */
  char *late_detail; /* owned */
  char name[IK_HOST_MAX + 1]; /* what the certificate must be for */
};

/* ---- the socket's side, for the BIO ---- */

ptrdiff_t ik_tls_conn_receive(struct ik_tls_conn *conn, void *buf, size_t len) {
  ptrdiff_t n = ik_tcp_read(conn->fd, buf, len);
  if (n == 0) conn->at_end = true;
  if (n < 0 && n != IK_EAGAIN) conn->receive_error = (int)n;
  return n;
}

ptrdiff_t ik_tls_conn_send(struct ik_tls_conn *conn, const void *data, size_t len) {
  ptrdiff_t n = conn->send_error != 0 ? IK_EAGAIN : ik_tcp_write(conn->fd, data, len);
  if (n >= 0 || n == IK_EAGAIN) return n;
  /* Told as "later" to OpenSSL, which else would not let us read what the peer had sent before it
   * went. */
  conn->send_error = (int)n;
  return IK_EAGAIN;
}

bool ik_tls_conn_at_end(const struct ik_tls_conn *conn) {
  return conn->at_end;
}

int ik_tls_conn_new_session(SSL *ssl, SSL_SESSION *session) {
  struct ik_tls_conn *conn = ik_openssl()->SSL_get_ex_data(ssl, IK_OPENSSL_APP_DATA);
  if (conn == NULL || conn->openssl->SSL_SESSION_is_resumable(session) != 1) return 0;
  ik_tls_keep_session(conn->tls, conn->name, session);
  return 1;
}

/* ---- making one ---- */

/* Names as certificates and SNI spell them: without the final dot of a fully qualified one. */
static int set_name(struct ik_tls_conn *conn, const char *name) {
  size_t len = strnlen(name, sizeof conn->name);
  if (len == 0 || len == sizeof conn->name) return IK_EINVALID_ARGUMENT;
  memcpy(conn->name, name, len);
  if (len > 1 && conn->name[len - 1] == '.') conn->name[len - 1] = '\0';
  return 0;
}

static int expect_name(struct ik_tls_conn *conn) {
  const struct ik_openssl *o = conn->openssl;
  X509_VERIFY_PARAM *param = o->SSL_get0_param(conn->ssl);
  struct ik_address address;
  if (ik_address_parse(conn->name, 0, &address)) {
    size_t len = address.family == 4 ? 4 : 16;
    return o->X509_VERIFY_PARAM_set1_ip(param, address.bytes, len) == 1 ? 0 : IK_ENO_MEMORY;
  }
  o->X509_VERIFY_PARAM_set_hostflags(param, IK_X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (o->X509_VERIFY_PARAM_set1_host(param, conn->name, 0) != 1) return IK_ENO_MEMORY;
  if (o->SSL_ctrl(conn->ssl, IK_SSL_CTRL_SET_TLSEXT_HOSTNAME, IK_TLSEXT_NAMETYPE_host_name,
                  conn->name) != 1)
    return IK_EINVALID_ARGUMENT;
  return 0;
}

static int set_up(struct ik_tls_conn *conn, const char *name) {
  const struct ik_openssl *o = conn->openssl;
  int rc = set_name(conn, name);
  if (rc != 0) return rc;
  conn->ssl = ik_tls_new_ssl(conn->tls, conn->name);
  if (conn->ssl == NULL) return IK_ENO_MEMORY;
  BIO *bio = ik_tls_bio_new(o, conn);
  if (bio == NULL) return IK_ENO_MEMORY;
  o->SSL_set_bio(conn->ssl, bio, bio); /* takes it over, once for both ways */
  o->SSL_set_ex_data(conn->ssl, IK_OPENSSL_APP_DATA, conn);
  o->SSL_set_connect_state(conn->ssl);
  return expect_name(conn);
}

int ik_tls_conn_new(iotkit_tls_t *tls, int fd, const char *host, struct ik_tls_conn **out,
                    char *detail) {
  *out = NULL;
  const struct ik_openssl *o = ik_openssl();
  if (o == NULL) return IK_ETLS_UNAVAILABLE;
  struct ik_tls_conn *conn = calloc(1, sizeof *conn);
  if (conn == NULL) return IK_ENO_MEMORY;
  conn->openssl = o;
  conn->tls = iotkit_tls_ref(tls);
  conn->fd = fd;
  conn->wants = IOTKIT_WRITE;
  const char *cert_name = ik_tls_cert_name(tls);
  o->ERR_set_mark();
  int rc = set_up(conn, cert_name != NULL ? cert_name : host);
  o->ERR_pop_to_mark();
  if (rc != 0) {
    ik_detail(detail, "TLS to %.100s: %s", host,
              rc == IK_ENO_MEMORY ? "out of memory" : "not a name a certificate can be for");
    ik_tls_conn_free(conn);
    return rc;
  }
  *out = conn;
  return 0;
}

void ik_tls_conn_free(struct ik_tls_conn *conn) {
  if (conn == NULL) return;
  if (conn->ssl != NULL) conn->openssl->SSL_free(conn->ssl);
  iotkit_tls_unref(conn->tls);
  free(conn->late_detail);
  free(conn);
}

/* ---- errors ---- */

static int certificate_error(struct ik_tls_conn *conn, long result, char *detail) {
  const char *reason = conn->openssl->X509_verify_cert_error_string(result);
  ik_detail(detail, "certificate of %.120s refused: %s", conn->name, reason);
  switch (result) {
  case IK_X509_V_ERR_HOSTNAME_MISMATCH:
  case IK_X509_V_ERR_IP_ADDRESS_MISMATCH:
    return IK_ETLS_HOSTNAME;
  case IK_X509_V_ERR_CERT_NOT_YET_VALID:
  case IK_X509_V_ERR_CERT_HAS_EXPIRED:
    return IK_ETLS_EXPIRED;
  default:
    return IK_ETLS_CERTIFICATE;
  }
}

static int stream_error(struct ik_tls_conn *conn, int error, char *detail) {
  ik_detail(detail, "TLS with %.120s: %s%s", conn->name,
            error == IK_ECONNECTION_CLOSED ? "the peer closed the connection without a close_notify"
            : error == IK_ECONNECTION_RESET ? "the peer reset the connection"
                                            : "network error",
            conn->open ? "" : " during the handshake");
  return error;
}

/* Why a call failed for good. What was verified and refused comes first, for the peer may have
 * closed upon our alert. */
static int lasting_error(struct ik_tls_conn *conn, int ssl_error, char *detail) {
  const struct ik_openssl *o = conn->openssl;
  long verified = conn->open ? IK_X509_V_OK : o->SSL_get_verify_result(conn->ssl);
  conn->broken = true;
  if (ssl_error == IK_SSL_ERROR_SSL && verified != IK_X509_V_OK)
    return certificate_error(conn, verified, detail);
  if (conn->receive_error != 0) return stream_error(conn, conn->receive_error, detail);
  if (conn->at_end) return stream_error(conn, IK_ECONNECTION_CLOSED, detail);
  ik_detail(detail, "TLS with %.120s: %s", conn->name,
            ik_openssl_error_text(o, o->ERR_peek_error()));
  return IK_ETLS;
}

/* What a call that returned `result` ≤ 0 means: 0 (close_notify), IK_EAGAIN or why it failed. */
static int explain(struct ik_tls_conn *conn, int result, char *detail) {
  const struct ik_openssl *o = conn->openssl;
  int ssl_error = o->SSL_get_error(conn->ssl, result);
  int rc;
  switch (ssl_error) {
  case IK_SSL_ERROR_WANT_READ:
    conn->wants = IOTKIT_READ;
    return IK_EAGAIN;
  case IK_SSL_ERROR_WANT_WRITE:
    conn->wants = IOTKIT_WRITE;
    return conn->send_error == 0 ? IK_EAGAIN : stream_error(conn, conn->send_error, detail);
  case IK_SSL_ERROR_ZERO_RETURN:
    return 0;
  default:
    rc = lasting_error(conn, ssl_error, detail);
    o->ERR_clear_error();
    return rc;
  }
}

/* ---- talking ---- */

static int clamp(size_t len) {
  return len > INT_MAX ? INT_MAX : (int)len;
}

int ik_tls_conn_handshake(struct ik_tls_conn *conn, char *detail) {
  if (conn->open) return 0;
  if (conn->broken) return IK_EINVALID_STATE;
  conn->openssl->ERR_clear_error();
  int result = conn->openssl->SSL_do_handshake(conn->ssl);
  if (result == 1) {
    conn->open = true;
    conn->filled = true; /* a record may have come along with the last of the handshake */
    return 0;
  }
  int rc = explain(conn, result, detail);
  if (rc == IK_EAGAIN) return rc;
  if (rc == 0) {
    ik_detail(detail, "TLS with %.120s: the peer ended the handshake", conn->name);
    rc = IK_ECONNECTION_CLOSED;
  }
  ik_tls_drop_session(conn->tls);
  return rc;
}

/* Records hold at most 16 KiB each: several are put together until the buffer is full or the socket
 * empty. */
static size_t read_records(struct ik_tls_conn *conn, uint8_t *buf, size_t len, int *last) {
  size_t done = 0;
  conn->openssl->ERR_clear_error();
  while (done < len) {
    *last = conn->openssl->SSL_read(conn->ssl, buf + done, clamp(len - done));
    if (*last <= 0) break;
    done += (size_t)*last;
  }
  return done;
}

ptrdiff_t ik_tls_conn_read(struct ik_tls_conn *conn, void *buf, size_t len, char *detail) {
  char text[IOTKIT_DETAIL_MAX] = "";
  int last = 0;
  if (len == 0) return IK_EINVALID_ARGUMENT;
  if (conn->late_error != 0) {
    ik_detail(detail, "%s", conn->late_detail == NULL ? "" : conn->late_detail);
    return conn->late_error;
  }
  if (!conn->open || conn->broken) return IK_EINVALID_STATE;

  size_t done = read_records(conn, buf, len, &last);
  conn->filled = done == len;
  if (conn->filled) return (ptrdiff_t)done;
  int rc = explain(conn, last, text);
  if (rc < 0 && rc != IK_EAGAIN) {
    conn->late_error = rc;
    conn->late_detail = ik_str_dup(ik_str(text));
  }
  if (done > 0) return (ptrdiff_t)done;
  if (rc < 0 && rc != IK_EAGAIN) ik_detail(detail, "%s", text);
  return rc;
}

ptrdiff_t ik_tls_conn_write(struct ik_tls_conn *conn, const void *data, size_t len, char *detail) {
  if (len == 0) return 0;
  if (conn->send_error != 0) return stream_error(conn, conn->send_error, detail);
  if (!conn->open || conn->broken) return IK_EINVALID_STATE;
  conn->openssl->ERR_clear_error();
  int n = conn->openssl->SSL_write(conn->ssl, data, clamp(len));
  if (n > 0) return n;
  int rc = explain(conn, n, detail);
  return rc == 0 ? stream_error(conn, IK_ECONNECTION_CLOSED, detail) : rc;
}

int ik_tls_conn_wants(const struct ik_tls_conn *conn) {
  return conn->wants;
}

bool ik_tls_conn_pending(const struct ik_tls_conn *conn) {
  if (conn->late_error != 0) return true;
  /* Half a record does not count; OpenSSL cannot tell it from a whole one, but then the next read
   * resets `filled`. */
  return conn->filled && !conn->broken && conn->openssl->SSL_has_pending(conn->ssl) == 1;
}

void ik_tls_conn_shutdown(struct ik_tls_conn *conn) {
  if (!conn->open || conn->broken || conn->send_error != 0) return;
  conn->openssl->ERR_clear_error();
  conn->openssl->SSL_shutdown(conn->ssl);
  conn->openssl->ERR_clear_error();
}
