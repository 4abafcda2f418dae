/*
 * stream.c - a non-blocking byte stream over TCP or TLS: struct ik_transport on the port.
 *
 * Stages: OPENING → TUNNEL (TLS through a proxy only) → HANDSHAKE (TLS only) → OPEN; FAILED from
 * those before OPEN. Owns, in this order of time: the opening, the socket, the tunnel, the TLS
 * connection; holds a reference to the TLS context. close() frees whatever there is at any stage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "net/opening.h"
#include "net/transport.h"
#include "net/tunnel.h"

enum stage { STAGE_OPENING, STAGE_TUNNEL, STAGE_HANDSHAKE, STAGE_OPEN, STAGE_FAILED };

struct stream {
  struct ik_transport base; /* first: the caller holds this */
  enum stage stage;
  struct ik_opening *opening; /* OPENING only */
  int fd;                     /* -1: none yet */
  struct ik_tunnel *tunnel;   /* to be asked for, until it is there; NULL: none */
  iotkit_tls_t *tls;          /* NULL: plain TCP */
  struct ik_tls_conn *conn;
  bool stepped;  /* open() was called */
  bool finished; /* finish() was called */
  uint64_t end_ms;
  uint32_t timeout_ms;
  int read_wants; /* what the last read and write that had to wait want of the descriptor */
  int write_wants;
  int error;       /* FAILED: why */
  int write_error; /* OPEN: writing is over, but what the peer had sent may still be read */
  bool read_since; /* a read brought bytes since write_error was last answered */
  uint16_t port;
  uint16_t proxy_port;
  const char *host;       /* in `names` */
  const char *proxy_host; /* likewise; NULL: straight */
  char names[];           /* as long as they are: there may be thousands of streams */
};

static struct stream *from(struct ik_transport *transport) {
  return (struct stream *)transport;
}

static const struct stream *from_const(const struct ik_transport *transport) {
  return (const struct stream *)transport;
}

/* ---- opening ---- */

static bool has_proxy(const struct stream *stream) {
  return stream->proxy_host != NULL;
}

static int begin_tls(struct stream *stream, char *detail) {
  char way[IK_TLS_WAY_MAX + 1];
  stream->stage = STAGE_HANDSHAKE;
  snprintf(way, sizeof way, "%u %s %u", (unsigned)stream->port, stream->proxy_host,
           (unsigned)stream->proxy_port);
  return ik_tls_conn_new(stream->tls, stream->fd, stream->host, way, &stream->conn, detail);
}

static int step_opening(struct stream *stream, uint64_t now_ms, char *detail) {
  char reason[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_opening_step(stream->opening, now_ms, reason);
  if (rc < 0) {
    if (rc != IK_EAGAIN) {
      ik_detail(detail, has_proxy(stream) ? "the proxy %.240s" : "%s", reason);
    }
    return rc;
  }
  stream->fd = rc;
  ik_opening_free(stream->opening);
  stream->opening = NULL;
  if (stream->tunnel != NULL) {
    stream->stage = STAGE_TUNNEL;
    return 0;
  }
  if (stream->tls != NULL) return begin_tls(stream, detail);
  stream->stage = STAGE_OPEN;
  return 0;
}

static int step_tunnel(struct stream *stream, char *detail) {
  int rc = ik_tunnel_step(stream->tunnel, stream->fd, detail);
  if (rc != 0) return rc;
  ik_tunnel_free(stream->tunnel);
  stream->tunnel = NULL;
  return begin_tls(stream, detail);
}

static int step_handshake(struct stream *stream, char *detail) {
  int rc = ik_tls_conn_handshake(stream->conn, detail);
  if (rc == 0) stream->stage = STAGE_OPEN;
  return rc;
}

static struct ik_endpoint server_of(const struct stream *stream) {
  return ik_endpoint(stream->host, stream->port);
}

static struct ik_endpoint proxy_of(const struct stream *stream) {
  return ik_endpoint(stream->proxy_host, stream->proxy_port);
}

/* Whom it was that kept us waiting, and at what. */
static int time_out(struct stream *stream, char *detail) {
  char state[IOTKIT_DETAIL_MAX] = "the TLS handshake is not finished";
  bool of_proxy = stream->opening != NULL && has_proxy(stream);
  const char *awaits = stream->conn != NULL ? ik_tls_conn_awaits(stream->conn) : NULL;
  if (stream->opening != NULL) {
    ik_opening_describe(stream->opening, state);
  } else if (awaits != NULL) {
    ik_detail(state, "%s", awaits);
  } else if (stream->stage == STAGE_TUNNEL) {
    ik_detail(state, "the proxy %.90s does not open the tunnel", proxy_of(stream).text);
  }
  return ik_refuse(detail, IK_ECONNECT_TIMEOUT, "%s%.90s: %.120s after %u ms",
                   of_proxy ? "the proxy " : "",
                   of_proxy ? proxy_of(stream).text : server_of(stream).text, state,
                   (unsigned)stream->timeout_ms);
}

static int stream_open(struct ik_transport *transport, uint64_t now_ms, char *detail) {
  struct stream *stream = from(transport);
  int rc = 0;
  stream->stepped = true;
  if (stream->stage == STAGE_FAILED) return stream->error;
  if (stream->stage == STAGE_OPENING) rc = step_opening(stream, now_ms, detail);
  if (rc == 0 && stream->stage == STAGE_TUNNEL) rc = step_tunnel(stream, detail);
  if (rc == 0 && stream->stage == STAGE_HANDSHAKE) rc = step_handshake(stream, detail);
  if (rc == IK_EAGAIN && now_ms >= stream->end_ms) rc = time_out(stream, detail);
  if (rc != 0 && rc != IK_EAGAIN) {
    stream->stage = STAGE_FAILED;
    stream->error = rc;
  }
  return rc;
}

/* ---- bytes ---- */

/* Whose connection it was; what became of it, the error says. */
static void name_peer(const struct stream *stream, char *detail) {
  bool of_proxy = has_proxy(stream) && stream->tls == NULL;
  ik_detail(detail, "%s%s", of_proxy ? "the proxy " : "",
            of_proxy ? proxy_of(stream).text : server_of(stream).text);
}

static ptrdiff_t stream_read(struct ik_transport *transport, void *buf, size_t len, char *detail) {
  struct stream *stream = from(transport);
  ptrdiff_t n;
  if (stream->stage != STAGE_OPEN) return IK_EINVALID_STATE;
  if (stream->conn != NULL) {
    n = ik_tls_conn_read(stream->conn, buf, len, detail);
    if (n == IK_EAGAIN) stream->read_wants = ik_tls_conn_wants(stream->conn);
  } else {
    n = ik_tcp_read(stream->fd, buf, len);
    /* The write has taken the reset off the socket; what is left looks like an orderly end and is
     * none. */
    if (n == 0 && stream->write_error != 0) n = stream->write_error;
    if (n < 0 && n != IK_EAGAIN) name_peer(stream, detail);
  }
  if (n > 0) stream->read_since = true;
  return n;
}

/*
 * A write that meets a reset must not hide what the peer sent before it closed (an answer that
 * refuses the request, say): the first is answered with "not now", and so are later ones as long as
 * reads bring bytes.
 */
static ptrdiff_t put_off(struct stream *stream, int error) {
  bool first = stream->write_error == 0;
  stream->write_error = error;
  if (!first && !stream->read_since) return error;
  stream->read_since = false;
  stream->write_wants = IOTKIT_READ;
  return IK_EAGAIN;
}

static ptrdiff_t stream_write(struct ik_transport *transport, const void *data, size_t len,
                              char *detail) {
  struct stream *stream = from(transport);
  ptrdiff_t n;
  if (stream->stage != STAGE_OPEN) return IK_EINVALID_STATE;
  if (len == 0) return 0;
  if (stream->write_error != 0) {
    n = stream->write_error;
  } else if (stream->conn != NULL) {
    n = ik_tls_conn_write(stream->conn, data, len, detail);
    if (n == IK_EAGAIN) stream->write_wants = ik_tls_conn_wants(stream->conn);
  } else {
    n = ik_tcp_write(stream->fd, data, len);
    if (n == IK_EAGAIN) stream->write_wants = IOTKIT_WRITE;
  }
  if (n >= 0 || n == IK_EAGAIN) return n;
  if (stream->conn == NULL || stream->write_error != 0) name_peer(stream, detail);
  return n == IK_ECONNECTION_RESET ? put_off(stream, (int)n) : n;
}

/* ---- waiting ---- */

static int stream_fd(const struct ik_transport *transport) {
  const struct stream *stream = from_const(transport);
  if (stream->stage == STAGE_OPENING) return ik_opening_fd(stream->opening);
  if (stream->stage == STAGE_HANDSHAKE && stream->conn != NULL) return ik_tls_conn_fd(stream->conn);
  return stream->stage == STAGE_FAILED ? -1 : stream->fd;
}

static int stream_interest(const struct ik_transport *transport, int want) {
  const struct stream *stream = from_const(transport);
  int interest = 0;
  switch (stream->stage) {
  case STAGE_OPENING:
    return ik_opening_interest(stream->opening);
  case STAGE_TUNNEL:
    return ik_tunnel_interest(stream->tunnel);
  case STAGE_HANDSHAKE:
    return ik_tls_conn_wants(stream->conn);
  case STAGE_FAILED:
    return 0;
  case STAGE_OPEN:
    break;
  }
  if (want & IOTKIT_READ) interest |= stream->read_wants;
  if (want & IOTKIT_WRITE) interest |= stream->write_wants;
  if ((want & IOTKIT_READ) && stream->conn != NULL && ik_tls_conn_pending(stream->conn))
    interest |= IK_PENDING;
  return interest;
}

static uint64_t stream_deadline(const struct ik_transport *transport) {
  const struct stream *stream = from_const(transport);
  if (!stream->stepped) return 0;
  if (stream->stage == STAGE_OPEN || stream->stage == STAGE_FAILED) return UINT64_MAX;
  uint64_t next =
      stream->stage == STAGE_OPENING ? ik_opening_deadline(stream->opening) : UINT64_MAX;
  return next < stream->end_ms ? next : stream->end_ms;
}

static void stream_finish(struct ik_transport *transport) {
  struct stream *stream = from(transport);
  if (stream->stage != STAGE_OPEN || stream->finished) return;
  stream->finished = true;
  if (stream->conn != NULL) ik_tls_conn_shutdown(stream->conn);
  ik_tcp_shutdown(stream->fd);
}

static void stream_close(struct ik_transport *transport) {
  struct stream *stream = from(transport);
  if (stream->conn != NULL) {
    if (stream->stage == STAGE_OPEN && !stream->finished) ik_tls_conn_shutdown(stream->conn);
    ik_tls_conn_free(stream->conn);
  }
  ik_tunnel_free(stream->tunnel);
  ik_opening_free(stream->opening);
  ik_tcp_close(stream->fd);
  iotkit_tls_unref(stream->tls);
  free(stream);
}

static const struct ik_transport_ops stream_ops = {
    .open = stream_open,
    .read = stream_read,
    .write = stream_write,
    .fd = stream_fd,
    .interest = stream_interest,
    .deadline = stream_deadline,
    .finish = stream_finish,
    .close = stream_close,
};

static int check_host(const char *host, uint16_t port, const char *what, char *detail) {
  size_t len = host == NULL ? 0 : strnlen(host, IK_HOST_MAX + 1);
  if (len > 0 && len <= IK_HOST_MAX && port != 0) return 0;
  ik_detail(detail, "the %s%s", what,
            port == 0  ? "port is 0"
            : len == 0 ? "host is empty"
                       : "host is too long");
  return len > IK_HOST_MAX ? IK_ETOO_LONG : IK_EINVALID_ARGUMENT;
}

static int check_dial(const struct ik_dial *dial, char *detail) {
  int rc = check_host(dial->host, dial->port, "", detail);
  if (rc != 0 || dial->proxy == NULL) return rc;
  return check_host(dial->proxy->host, dial->proxy->port, "proxy's ", detail);
}

/* With the names of server and proxy; NULL: out of memory. */
static struct stream *new_stream(const struct ik_dial *dial) {
  const size_t host_size = strlen(dial->host) + 1;
  const size_t proxy_size = dial->proxy == NULL ? 0 : strlen(dial->proxy->host) + 1;
  struct stream *stream = calloc(1, sizeof *stream + host_size + proxy_size);
  if (stream == NULL) return NULL;
  stream->host = memcpy(stream->names, dial->host, host_size);
  stream->port = dial->port;
  if (dial->proxy == NULL) return stream;
  stream->proxy_host = memcpy(stream->names + host_size, dial->proxy->host, proxy_size);
  stream->proxy_port = dial->proxy->port;
  return stream;
}

static int begin_opening(struct stream *stream, const struct ik_dial *dial, char *detail) {
  const struct ik_proxy *proxy = dial->proxy;
  if (proxy == NULL) return ik_opening_new(stream->host, dial->port, &stream->opening, detail);
  if (dial->tls != NULL) {
    int rc = ik_tunnel_new(stream->host, dial->port, proxy, &stream->tunnel, detail);
    if (rc != 0) return rc;
  }
  return ik_opening_new(stream->proxy_host, proxy->port, &stream->opening, detail);
}

int ik_net_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms, struct ik_transport **out,
                char *detail) {
  (void)ctx;
  *out = NULL;
  int rc = check_dial(dial, detail);
  if (rc != 0) return rc;
  struct stream *stream = new_stream(dial);
  if (stream == NULL) return IK_ENO_MEMORY;
  stream->base.ops = &stream_ops;
  stream->fd = -1;
  stream->timeout_ms = dial->timeout_ms;
  stream->end_ms = now_ms + dial->timeout_ms;
  stream->read_wants = IOTKIT_READ;
  stream->write_wants = IOTKIT_WRITE;
  stream->tls = iotkit_tls_ref(dial->tls);
  rc = begin_opening(stream, dial, detail);
  if (rc != 0) {
    stream_close(&stream->base);
    return rc;
  }
  *out = &stream->base;
  return 0;
}
