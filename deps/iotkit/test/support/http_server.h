/*
 * http_server.h - an HTTP/1.1 server on 127.0.0.1 that answers as a test scripts it, one connection
 * after another.
 */
#ifndef TEST_HTTP_SERVER_H
#define TEST_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One request as it came. */
struct http_request {
  unsigned index;      /* 0, 1 … over all connections */
  unsigned connection; /* 0, 1 … */
  char head[16384];    /* with its line ends */
  bool has_range;
  uint64_t from; /* of "Range: bytes=from-" */
};

struct http_server;

/*
 * Answers a request by writing to `fd`; false closes the connection. On the server's thread.
 * `ctx` is the server's; what it writes may be read after http_server_stop.
 */
typedef bool (*http_serve_fn)(void *ctx, int fd, const struct http_request *request);

struct http_server *http_server_start(http_serve_fn serve, void *ctx);
uint16_t http_server_port(const struct http_server *server);
/* Ends it, waits for its thread, frees. Returns how many requests there were. */
unsigned http_server_stop(struct http_server *server);

/* ---- for serve functions ---- */

/* The value of a header field in the request, copied to `out`; false: it is not there. */
bool http_request_field(const struct http_request *request, const char *name, char *out,
                        size_t cap);
bool http_send(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes [from, from + len) of the test image. */
bool http_send_image(int fd, uint64_t from, uint64_t len);
uint8_t http_image_byte(uint64_t at);
/* Waits until the client has closed. */
void http_wait_closed(int fd);
/* The close that follows sends RST. */
void http_reset_on_close(int fd);

#endif
