/*
 * connect_proxy.h - an HTTP proxy on 127.0.0.1 that takes CONNECT, on a thread of its own, one
 * connection after another. It answers as a test scripts it.
 */
#ifndef TEST_CONNECT_PROXY_H
#define TEST_CONNECT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum connect_proxy_then {
  CONNECT_PROXY_TUNNEL, /* copies both ways, to `port` whatever host was asked for */
  CONNECT_PROXY_CLOSE,
  CONNECT_PROXY_RESET,
  CONNECT_PROXY_HOLD /* until the client goes */
};

struct connect_proxy_options {
  const char *answer; /* "": none */
  size_t answer_len;  /* 0: up to its NUL */
  bool bytewise;      /* in as many pieces as it has bytes, each sent for itself */
  bool at_once;       /* without reading the request */
  enum connect_proxy_then then;
  uint16_t port; /* of 127.0.0.1, for TUNNEL */
};

/* How far its last connection has come. */
enum connect_proxy_stage {
  CONNECT_PROXY_READS,
  CONNECT_PROXY_ANSWERED,
  CONNECT_PROXY_HEARD /* by HOLD: something of the client after the answer */
};

struct connect_proxy;

struct connect_proxy *connect_proxy_start(const struct connect_proxy_options *options);
uint16_t connect_proxy_port(const struct connect_proxy *proxy);
enum connect_proxy_stage connect_proxy_stage(struct connect_proxy *proxy);
/* Ends it, waits for its thread, frees. `head` gets the last request, with its line ends. */
void connect_proxy_stop(struct connect_proxy *proxy, char *head, size_t cap);

#endif
