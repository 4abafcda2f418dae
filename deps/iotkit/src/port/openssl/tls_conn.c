/*
 * tls_conn.c - one TLS connection over a descriptor of the caller's. Owns its SSL and a reference
 * to the context.
 *
 * OpenSSL's error queue belongs to the thread, so it is emptied before each call (SSL_get_error
 * reads it) and after failures.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/endpoint.h"
#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "port/openssl/tls_aside.h"
#include "port/openssl/tls_bio.h"
#include "port/openssl/tls_context.h"

/* What one call may take in of what brings no data, so that no peer can hold it. */
#define CALL_RECORDS 32
#define CALL_BYTES 65536
#define CLOCK_TEXT_MAX 48
#define SIGNS_NEXT 1 /* of a handshake: the next call may wait for a signature */

struct ik_tls_conn {
  const struct ik_openssl *openssl;
  SSL *ssl;
  struct ik_tls_peer peer; /* holds the reference to the context */
  struct ik_tls_socket socket;
  int wants;   /* IOTKIT_READ or IOTKIT_WRITE: what the last call that could not go on needs */
  bool open;   /* the handshake is done */
  bool broken; /* OpenSSL must not be called any longer but to free */
  bool filled; /* the last read filled the caller's buffer: there may be more inside */
  bool more;   /* the last read ended with its share: there may be more to take in at once */
  struct ik_tls_aside *aside; /* goes on with the handshake: nobody else may then; NULL: nobody */
  int late_error;    /* met after bytes that had to be given first; the next read returns it */
  char *late_detail; /* owned */
  char text[];       /* the peer's name and key: as long as they are, there may be thousands */
};

/* ---- making one ---- */

/*
 * Names as certificates and SNI spell them: without the final dot of a fully qualified one. The key has the
 * host too, since a name to verify instead of the host's may be that of many. NULL: out of memory.
 */
static struct ik_tls_conn *new_conn(const char *name, const char *host, const char *way) {
  const size_t len = strnlen(name, IK_HOST_MAX + 1);
  const size_t host_len = strnlen(host, IK_HOST_MAX);
  const size_t way_len = strnlen(way, IK_TLS_WAY_MAX);
  const size_t key_size = host_len + 1 + way_len + 1;
  struct ik_tls_conn *conn = calloc(1, sizeof *conn + len + 1 + key_size);
  if (conn == NULL) return NULL;
  char *key = conn->text + len + 1;
  memcpy(conn->text, name, len);
  if (len > 1 && len <= IK_HOST_MAX && name[len - 1] == '.') conn->text[len - 1] = '\0';
  snprintf(key, key_size, "%.*s %.*s", (int)host_len, host, (int)way_len, way);
  conn->peer.name = conn->text;
  conn->peer.key = key;
  return conn;
}

static int expect_name(struct ik_tls_conn *conn) {
  const struct ik_openssl *o = conn->openssl;
  X509_VERIFY_PARAM *param = o->SSL_get0_param(conn->ssl);
  struct ik_address address;
  if (ik_address_parse(conn->peer.name, 0, &address)) {
    size_t len = address.family == 4 ? 4 : 16;
    return o->X509_VERIFY_PARAM_set1_ip(param, address.bytes, len) == 1 ? 0 : IK_ENO_MEMORY;
  }
  o->X509_VERIFY_PARAM_set_hostflags(param, IK_X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (o->X509_VERIFY_PARAM_set1_host(param, conn->peer.name, 0) != 1) return IK_ENO_MEMORY;
  if (o->SSL_ctrl(conn->ssl, IK_SSL_CTRL_SET_TLSEXT_HOSTNAME, IK_TLSEXT_NAMETYPE_host_name,
                  conn->text) != 1) /* the name */
    return IK_EINVALID_ARGUMENT;
  return 0;
}

/* Without a given time OpenSSL asks the system's clock itself. */
static void set_time(struct ik_tls_conn *conn) {
  bool given;
  const time_t now = ik_tls_clock(conn->peer.tls, &given);
  const struct ik_openssl *o = conn->openssl;
  if (given) o->X509_VERIFY_PARAM_set_time(o->SSL_get0_param(conn->ssl), now);
}

static int set_up(struct ik_tls_conn *conn, char *detail) {
  const struct ik_openssl *o = conn->openssl;
  const size_t len = strlen(conn->peer.name);
  if (len == 0 || len > IK_HOST_MAX) return IK_EINVALID_ARGUMENT;
  int rc = ik_tls_new_ssl(&conn->peer, &conn->ssl, detail);
  if (rc != 0) return rc;
  BIO *bio = ik_tls_bio_new(o, &conn->socket);
  if (bio == NULL) return IK_ENO_MEMORY;
  o->SSL_set_bio(conn->ssl, bio, bio); /* takes it over, once for both ways */
  o->SSL_set_connect_state(conn->ssl);
  set_time(conn);
  return expect_name(conn);
}

int ik_tls_conn_new(iotkit_tls_t *tls, int fd, const char *host, const char *way,
                    struct ik_tls_conn **out, char *detail) {
  *out = NULL;
  const struct ik_openssl *o;
  int rc = ik_openssl_need(&o, detail);
  if (rc != 0) return rc;
  const char *cert_name = ik_tls_cert_name(tls);
  struct ik_tls_conn *conn = new_conn(cert_name != NULL ? cert_name : host, host, way);
  if (conn == NULL) return IK_ENO_MEMORY;
  conn->openssl = o;
  conn->peer.tls = iotkit_tls_ref(tls);
  conn->socket.fd = fd;
  conn->wants = IOTKIT_WRITE;
  o->ERR_set_mark();
  rc = set_up(conn, detail);
  o->ERR_pop_to_mark();
  if (rc != 0) {
    if (rc == IK_ENO_MEMORY || rc == IK_EINVALID_ARGUMENT)
      ik_detail(detail, "%.100s%s", ik_endpoint(host, 0).text,
                rc == IK_ENO_MEMORY ? "" : " is not a name that a certificate can be for");
    ik_tls_conn_free(conn);
    return rc;
  }
  *out = conn;
  return 0;
}

void ik_tls_conn_free(struct ik_tls_conn *conn) {
  if (conn == NULL) return;
  if (conn->aside != NULL) {
    ik_tls_signature_cancel(conn->peer.signing.signature);
    (void)ik_tls_aside_join(conn->aside, NULL);
  }
  ik_tls_signing_end(&conn->peer.signing);
  if (conn->ssl != NULL) conn->openssl->SSL_free(conn->ssl);
  iotkit_tls_unref(conn->peer.tls);
  free(conn->late_detail);
  free(conn);
}

/* ---- errors ---- */

static int certificate_code(long result) {
  switch (result) {
  case IK_X509_V_ERR_HOSTNAME_MISMATCH:
  case IK_X509_V_ERR_IP_ADDRESS_MISMATCH:
    return IK_ETLS_HOSTNAME;
  case IK_X509_V_ERR_CERT_NOT_YET_VALID: /* or this device's clock is not set yet */
    return IK_ETLS_NOT_YET_VALID;
  case IK_X509_V_ERR_CERT_HAS_EXPIRED:
    return IK_ETLS_EXPIRED;
  default:
    return IK_ETLS_CERTIFICATE;
  }
}

/* What certificates are held against, and whose clock that is. */
static void write_clock(const struct ik_tls_conn *conn, char *out, size_t cap) {
  bool given;
  const time_t now = ik_tls_clock(conn->peer.tls, &given);
  const char *whose =
      given ? "; the clock that was set for it says " : "; this device's clock says ";
  char text[CLOCK_TEXT_MAX] = "no time";
  struct tm utc;
  if (gmtime_r(&now, &utc) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
    snprintf(text, sizeof text, "%s", "no time");
  snprintf(out, cap, "%s%s", whose, text);
}

/* What would help, where an option does. */
static const char *advice(long result) {
  switch (result) {
  case IK_X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case IK_X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case IK_X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case IK_X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    return "; the CAs to trust are set by tls.ca or fetch.ca (ca)";
  case IK_X509_V_ERR_HOSTNAME_MISMATCH:
  case IK_X509_V_ERR_IP_ADDRESS_MISMATCH:
    return "; another name to expect is set by tls.servername (cert_name)";
  default:
    return "";
  }
}

static int certificate_error(struct ik_tls_conn *conn, long result, char *detail) {
  const char *reason = conn->openssl->X509_verify_cert_error_string(result);
  int rc = certificate_code(result);
  char clock[2 * CLOCK_TEXT_MAX] = "";
  if (rc == IK_ETLS_NOT_YET_VALID || rc == IK_ETLS_EXPIRED) write_clock(conn, clock, sizeof clock);
  ik_detail(detail, "%.100s: %.60s%s%s", ik_endpoint(conn->peer.name, 0).text, reason,
            advice(result), clock);
  return rc;
}

static int stream_error(struct ik_tls_conn *conn, int error, char *detail) {
  ik_detail(detail, "%.120s%s%s", ik_endpoint(conn->peer.name, 0).text,
            error == IK_ECONNECTION_CLOSED ? ": TLS ended without a close_notify" : "",
            conn->open ? "" : ", during the handshake");
  return error;
}

/* What the server says of our certificate, by its alert; 0: nothing. */
static int alert_code(const struct ik_openssl *o, unsigned long error) {
  if (ik_openssl_error_lib(o, error) != IK_ERR_LIB_SSL) return 0;
  switch (ik_openssl_error_reason(o, error)) {
  case IK_SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    return IK_ETLS_CLIENT_REVOKED;
  case IK_SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    return IK_ETLS_CLIENT_EXPIRED;
  case IK_SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
  case IK_SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
  case IK_SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
  case IK_SSL_R_TLSV1_ALERT_UNKNOWN_CA:
  case IK_SSL_R_TLSV1_ALERT_ACCESS_DENIED:
  case IK_SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    return IK_ETLS_CLIENT_CERTIFICATE;
  default:
    return 0;
  }
}

static int signing_error(const struct ik_tls_conn *conn, char *detail) {
  const struct ik_tls_signing *signing = &conn->peer.signing;
  const char *name = ik_endpoint(conn->peer.name, 0).text;
  if (signing->error == IK_ENO_MEMORY)
    return ik_refuse(detail, signing->error, "%.100s: no memory for the signature", name);
  if (signing->error != IK_ETLS_SIGNING || signing->returned == 0)
    return ik_refuse(detail, signing->error,
                     "%.100s: what the callback that signs (tls.sign) gave is no signature by the "
                     "key of the client certificate",
                     name);
  if (signing->reason[0] != '\0')
    return ik_refuse(detail, signing->error,
                     "%.100s: the callback that signs (tls.sign) failed: %s", name,
                     signing->reason);
  return ik_refuse(detail, signing->error, "%.100s: the callback that signs (tls.sign) returned %d",
                   name, signing->returned);
}

/* Why a call failed for good. What was verified and refused comes first, for the peer may have
 * closed upon our alert. */
static int lasting_error(struct ik_tls_conn *conn, int ssl_error, char *detail) {
  const struct ik_openssl *o = conn->openssl;
  long verified = conn->open ? IK_X509_V_OK : o->SSL_get_verify_result(conn->ssl);
  conn->broken = true;
  if (ssl_error == IK_SSL_ERROR_SSL && verified != IK_X509_V_OK)
    return certificate_error(conn, verified, detail);
  if (conn->peer.signing.error != 0) return signing_error(conn, detail);
  const unsigned long error = ssl_error == IK_SSL_ERROR_SSL ? o->ERR_peek_error() : 0;
  const int alert = alert_code(o, error);
  if (alert != 0) {
    ik_tls_drop_sessions(&conn->peer); /* with TLS 1.3 the handshake has been over for us */
    return ik_refuse(detail, alert, "%.120s: %s", ik_endpoint(conn->peer.name, 0).text,
                     ik_openssl_error_text(o, error));
  }
  if (conn->socket.receive_error != 0)
    return stream_error(conn, conn->socket.receive_error, detail);
  if (conn->socket.at_end) return stream_error(conn, IK_ECONNECTION_CLOSED, detail);
  return ik_refuse(detail, IK_ETLS, "%.120s: %s", ik_endpoint(conn->peer.name, 0).text,
                   ik_openssl_error_text(o, o->ERR_peek_error()));
}

/* What a call that returned `result` ≤ 0 means: 0 (close_notify), IK_EAGAIN, SIGNS_NEXT or why it
 * failed. */
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
    return conn->socket.send_error == 0 ? IK_EAGAIN
                                        : stream_error(conn, conn->socket.send_error, detail);
  case IK_SSL_ERROR_ZERO_RETURN:
    return 0;
  case IK_SSL_ERROR_WANT_X509_LOOKUP:
    return SIGNS_NEXT;
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

/* Before each call into OpenSSL that may read: `len` bytes of data are wanted at most. */
static void begin_call(struct ik_tls_conn *conn, size_t len) {
  conn->socket.reads_left = 2 * CALL_RECORDS;
  conn->socket.bytes_left = len < SIZE_MAX - CALL_BYTES ? len + CALL_BYTES : SIZE_MAX;
  conn->socket.dry = false;
  conn->more = false;
  conn->openssl->ERR_clear_error();
}

/* 0: done. Also on a thread of its own. */
static int shake(struct ik_tls_conn *conn, char *detail) {
  begin_call(conn, 0);
  int result = conn->openssl->SSL_do_handshake(conn->ssl);
  if (result == 1) return 0;
  int rc = explain(conn, result, detail);
  if (rc != 0) return rc;
  return ik_refuse(detail, IK_ECONNECTION_CLOSED, "%.120s: the peer ended the TLS handshake",
                   ik_endpoint(conn->peer.name, 0).text);
}

static int shake_aside(void *arg, char *detail) {
  return shake(arg, detail);
}

static int refuse_aside(const struct ik_tls_conn *conn, int rc, char *detail) {
  return ik_refuse(detail, rc, "%.120s: there is no %s to wait for the signature",
                   ik_endpoint(conn->peer.name, 0).text,
                   rc == IK_ENETWORK  ? "descriptor"
                   : rc == IK_ETHREAD ? "thread"
                                      : "memory");
}

static int set_aside(struct ik_tls_conn *conn, char *detail) {
  conn->peer.signing.is_aside = true;
  int rc = ik_tls_aside_start(shake_aside, conn, &conn->aside);
  return rc == 0 ? IK_EAGAIN : refuse_aside(conn, rc, detail);
}

static int take_back(struct ik_tls_conn *conn, char *detail) {
  if (!ik_tls_aside_is_done(conn->aside)) return IK_EAGAIN;
  int rc = ik_tls_aside_join(conn->aside, detail);
  conn->aside = NULL;
  conn->peer.signing.is_aside = false;
  return rc == IK_ETHREAD ? refuse_aside(conn, rc, detail) : rc;
}

/* As shake(), where nothing waits. What a socket had no room for has the handshake set aside again. */
static int go_on(struct ik_tls_conn *conn, char *detail) {
  if (conn->aside != NULL) return take_back(conn, detail);
  return conn->peer.signing.is_due ? SIGNS_NEXT : shake(conn, detail);
}

int ik_tls_conn_handshake(struct ik_tls_conn *conn, char *detail) {
  if (conn->open) return 0;
  if (conn->aside == NULL && conn->broken) return IK_EINVALID_STATE;
  int rc = go_on(conn, detail);
  if (rc == SIGNS_NEXT) rc = set_aside(conn, detail);
  if (rc == IK_EAGAIN) return rc;
  ik_tls_signing_end(&conn->peer.signing);
  if (rc != 0) {
    conn->broken = true;
    ik_tls_drop_sessions(&conn->peer);
    return rc;
  }
  conn->open = true;
  conn->filled = true; /* a record may have come along with the last of the handshake */
  return 0;
}

/* A record without data has been dealt with; the socket was not asked to the end. */
static bool may_go_on(struct ik_tls_conn *conn, int result) {
  return conn->openssl->SSL_get_error(conn->ssl, result) == IK_SSL_ERROR_WANT_READ &&
         !conn->socket.dry;
}

/* Records hold at most 16 KiB each: several are put together until the buffer is full, the socket
 * empty, or the share of a call used up. */
static size_t read_records(struct ik_tls_conn *conn, uint8_t *buf, size_t len, int *last) {
  size_t done = 0;
  unsigned idle = 0;
  begin_call(conn, len);
  while (done < len) {
    *last = conn->openssl->SSL_read(conn->ssl, buf + done, clamp(len - done));
    if (*last > 0) {
      done += (size_t)*last;
      continue;
    }
    if (!may_go_on(conn, *last)) break;
    conn->more =
        conn->socket.reads_left == 0 || conn->socket.bytes_left == 0 || ++idle == CALL_RECORDS;
    if (conn->more) break;
    conn->openssl->ERR_clear_error();
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
  if (conn->socket.send_error != 0) return stream_error(conn, conn->socket.send_error, detail);
  if (!conn->open || conn->broken) return IK_EINVALID_STATE;
  bool more = conn->more;
  begin_call(conn, 0);
  conn->more = more; /* what a read left is still there */
  int n = conn->openssl->SSL_write(conn->ssl, data, clamp(len));
  if (n > 0) return n;
  int rc = explain(conn, n, detail);
  return rc == 0 ? stream_error(conn, IK_ECONNECTION_CLOSED, detail) : rc;
}

int ik_tls_conn_wants(const struct ik_tls_conn *conn) {
  return conn->aside != NULL ? IOTKIT_READ : conn->wants;
}

int ik_tls_conn_fd(const struct ik_tls_conn *conn) {
  return conn->aside != NULL ? ik_tls_aside_fd(conn->aside) : conn->socket.fd;
}

const char *ik_tls_conn_awaits(const struct ik_tls_conn *conn) {
  if (conn->aside == NULL) return NULL;
  return ik_tls_aside_is_queued(conn->aside)
             ? "it waits behind other handshakes for the callback that signs (tls.sign)"
             : "the callback that signs (tls.sign) has not answered";
}

bool ik_tls_conn_pending(const struct ik_tls_conn *conn) {
  if (conn->late_error != 0) return true;
  if (conn->broken) return false;
  /*
   * Half a record does not count; OpenSSL cannot distinguish it from a whole one, but then the next
   * read resets `filled`.
   */
  return conn->more || (conn->filled && conn->openssl->SSL_has_pending(conn->ssl) == 1);
}

void ik_tls_conn_shutdown(struct ik_tls_conn *conn) {
  if (!conn->open || conn->broken || conn->socket.send_error != 0) return;
  begin_call(conn, 0);
  conn->openssl->SSL_shutdown(conn->ssl);
  conn->openssl->ERR_clear_error();
}
