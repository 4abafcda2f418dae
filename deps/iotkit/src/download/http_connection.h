/*
 * http_connection.h - one connection of a download, with the transfer it serves: the policy of
 * policy/transfer.c carried out over a transport. The fetching thread only.
 */
#ifndef IK_DOWNLOAD_HTTP_CONNECTION_H
#define IK_DOWNLOAD_HTTP_CONNECTION_H

#include "core/limiter.h"
#include "download/options.h"
#include "http/exchange.h"
#include "net/transport.h"
#include "policy/transfer.h"

#define IK_HTTP_SCRATCH (4 * IK_KIB)

/* What the connections of a download have in common; all borrowed. */
struct ik_http_environment {
  struct ik_fetch_config *config;
  ik_dial_fn dial;
  void *dial_ctx;
  struct ik_throttle *throttle;
  /* Bytes at `body_offset` of the image have arrived again. 0, or an error: no digest of them. */
  int (*add_repeated)(void *ctx, const uint8_t *data, size_t len, uint64_t body_offset);
  /*
   * Whether the bytes added are those handed out before `offset`: 1 yes, 0 no; IK_EAGAIN: not all of
   * the latter are digested yet.
   */
  int (*compare_repeated)(void *ctx, uint64_t offset);
  void *ctx;
};

struct ik_http_connection {
  const struct ik_http_environment *environment;
  struct ik_transfer transfer;
  struct ik_http_exchange exchange;
  struct ik_transport *transport; /* NULL: none */
  struct ik_http_place place;     /* where it leads to */
  struct ik_buf request;          /* not yet sent */
  int interest;                   /* IOTKIT_READ, IOTKIT_WRITE, IK_PENDING: what it waits for */
  uint64_t throttled_until_ms;    /* a limiter gave nothing before it; 0: it waits for none */
  uint64_t compare_at_ms;         /* another thread has to digest first; 0: it waits for none */
  size_t scratch_pos;             /* raw bytes that came with a head or after the image */
  size_t scratch_len;
  uint8_t scratch[IK_HTTP_SCRATCH];
};

/* Where a step may put bytes of the body, and how many it has put there. */
struct ik_http_step {
  uint8_t *into;
  size_t room;
  size_t got;
  uint64_t now_ms;
};

/* All but the transfer, which its owner makes and frees. Borrows the environment. */
void ik_http_connection_init(struct ik_http_connection *connection,
                             const struct ik_http_environment *environment);
/* Keeps the transport of a transfer that is DONE in the pool of its config, where another request may use it. */
void ik_http_connection_deinit(struct ik_http_connection *connection);
void ik_http_connection_disconnect(struct ik_http_connection *connection);
/* Gives the transport with all that was received on it to another connection, which has none. */
void ik_http_connection_move(struct ik_http_connection *from, struct ik_http_connection *to);
/*
 * Does one thing in the states CONNECT to BODY. False: nothing could be done, wait as `interest`
 * and ik_http_connection_deadline() say. Bytes of the body are received straight into the room;
 * only bytes that arrived together with a response head, and those after the body, pass through the
 * scratch.
 */
bool ik_http_connection_step(struct ik_http_connection *connection, struct ik_http_step *step);
/* Applies time-outs. */
void ik_http_connection_tick(struct ik_http_connection *connection, uint64_t now_ms);
/* When it must be stepped or ticked at the latest. */
uint64_t ik_http_connection_deadline(const struct ik_http_connection *connection);
/* Whether the transport is open and its readiness may be waited for. */
bool ik_http_connection_is_open(const struct ik_http_connection *connection);

#endif
