/*
 * transport.h - a byte stream with a small table of functions, so that tests plug in their own;
 * and the real one, over TCP or TLS.
 *
 * What lives in net/: the way to a server: name resolution, TCP, a proxy, TLS, as one non-blocking
 * stream. It may include base/, http/ (what a proxy answers) and port/port.h.
 *
 * Thread: one at a time. No call blocks. `detail` is NULL or IOTKIT_DETAIL_MAX bytes.
 */
#ifndef IK_TRANSPORT_H
#define IK_TRANSPORT_H

#include "base/limits.h"
#include "port/port.h"

struct ik_transport;

struct ik_transport_ops {
  /* Goes on with opening. 0: open; IK_EAGAIN: not yet; else why not, with detail. */
  int (*open)(struct ik_transport *transport, uint64_t now_ms, char *detail);
  /* > 0 bytes; 0: the peer ended orderly; IK_EAGAIN; IK_ECONNECTION_RESET, IK_ECONNECTION_CLOSED
   * (TLS truncated), IK_ETLS, IK_ENETWORK. */
  ptrdiff_t (*read)(struct ik_transport *transport, void *buf, size_t len, char *detail);
  /* > 0 bytes taken; IK_EAGAIN; errors as read. */
  ptrdiff_t (*write)(struct ik_transport *transport, const void *data, size_t len, char *detail);
  /* The descriptor to wait for now, -1: none. It may change while opening. */
  int (*fd)(const struct ik_transport *transport);
  /*
   * What to wait for (IOTKIT_READ | IOTKIT_WRITE): while opening what that needs; once open what
   * `want` says, turned to what TLS needs. Bit IK_PENDING: bytes wait inside, do not wait but read.
   */
  int (*interest)(const struct ik_transport *transport, int want);
  /* When open() must be called again at the latest (next address to try, time-out); UINT64_MAX:
   * none. */
  uint64_t (*deadline)(const struct ik_transport *transport);
  /*
   * Once open: nothing more will be written. Ends the sending side (close_notify where that goes
   * without blocking, FIN); reading goes on until the peer ends.
   */
  void (*finish)(struct ik_transport *transport);
  /* Ends it (close_notify where that goes without blocking) and frees. */
  void (*close)(struct ik_transport *transport);
};

#define IK_PENDING 4

struct ik_transport {
  const struct ik_transport_ops *ops;
};

struct ik_proxy {
  char host[IK_HOST_MAX + 1];
  uint16_t port;
  char authorization[IK_PROXY_AUTH_MAX]; /* "Basic …", or ""; a secret */
};

struct ik_dial {
  const char *host; /* copied */
  uint16_t port;
  iotkit_tls_t *tls;   /* NULL: plain TCP; a reference is taken */
  uint32_t timeout_ms; /* for the whole opening; IK_ECONNECT_TIMEOUT after it */
  /*
   * The way is through this HTTP proxy; NULL: straight. With tls a tunnel is asked for (CONNECT);
   * without, the stream ends at the proxy, and the request is the absolute form.
   */
  const struct ik_proxy *proxy; /* copied */
};

/*
 * Begins to open a stream: resolves, tries the addresses one after another with a head start of 250
 * ms each (RFC 8305, the first to connect wins), then TLS. Tests give a function of this type that
 * returns their own transport.
 */
typedef int (*ik_dial_fn)(void *ctx, const struct ik_dial *dial, uint64_t now_ms,
                          struct ik_transport **out, char *detail);
int ik_net_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms, struct ik_transport **out,
                char *detail);

#endif
