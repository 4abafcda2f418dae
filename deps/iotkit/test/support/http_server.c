/*
 * http_server.c - the scripted server. The thread owns its sockets; stop() shuts them down and
 * joins it.
 */
#include "support/http_server.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tcp_peer.h"

struct http_server {
  int listener;
  uint16_t port;
  http_serve_fn serve;
  void *ctx;
  pthread_t thread;
  pthread_mutex_t mutex; /* of what follows */
  int connection;        /* -1: none */
  bool stopping;
  unsigned requests;
  unsigned connections;
};

bool http_request_field(const struct http_request *request, const char *name, char *out,
                        size_t cap) {
  size_t len = strlen(name);
  for (const char *line = request->head; line != NULL; line = strstr(line, "\r\n")) {
    if (line != request->head) line += 2;
    if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
    const char *value = line + len + 1;
    while (*value == ' ')
      value++;
    size_t n = strcspn(value, "\r");
    if (n >= cap) n = cap - 1;
    memcpy(out, value, n);
    out[n] = '\0';
    return true;
  }
  return false;
}

/* Reads up to the empty line, byte by byte: nothing behind it is taken. */
static bool read_head(int fd, struct http_request *request) {
  size_t len = 0;
  while (len + 1 < sizeof(request->head)) {
    if (!peer_read(fd, request->head + len, 1)) return false;
    request->head[++len] = '\0';
    if (len >= 4 && memcmp(request->head + len - 4, "\r\n\r\n", 4) == 0) return true;
  }
  return false;
}

static bool read_request(int fd, struct http_request *request) {
  char range[64];
  if (!read_head(fd, request)) return false;
  request->has_range = http_request_field(request, "Range", range, sizeof(range));
  request->from =
      request->has_range && strncmp(range, "bytes=", 6) == 0 ? strtoull(range + 6, NULL, 10) : 0;
  return true;
}

static void serve_connection(struct http_server *server, int fd) {
  struct http_request *request = calloc(1, sizeof(*request));
  bool keep = request != NULL;
  while (keep && read_request(fd, request)) {
    pthread_mutex_lock(&server->mutex);
    request->index = server->requests++;
    request->connection = server->connections - 1;
    pthread_mutex_unlock(&server->mutex);
    keep = server->serve(server->ctx, fd, request);
  }
  free(request);
}

static void *run(void *arg) {
  struct http_server *server = arg;
  for (;;) {
    int fd = peer_accept(server->listener);
    if (fd < 0) break;
    pthread_mutex_lock(&server->mutex);
    bool stopping = server->stopping;
    server->connection = fd;
    server->connections++;
    pthread_mutex_unlock(&server->mutex);
    if (!stopping) serve_connection(server, fd);
    pthread_mutex_lock(&server->mutex);
    server->connection = -1;
    stopping = server->stopping;
    pthread_mutex_unlock(&server->mutex);
    close(fd);
    if (stopping) break;
  }
  return NULL;
}

struct http_server *http_server_start(http_serve_fn serve, void *ctx) {
  struct http_server *server = calloc(1, sizeof(*server));
  if (server == NULL) abort();
  server->serve = serve;
  server->ctx = ctx;
  server->connection = -1;
  server->listener = peer_listen(4, &server->port);
  pthread_mutex_init(&server->mutex, NULL);
  if (server->listener < 0 || pthread_create(&server->thread, NULL, run, server) != 0) abort();
  return server;
}

uint16_t http_server_port(const struct http_server *server) {
  return server->port;
}

unsigned http_server_stop(struct http_server *server) {
  pthread_mutex_lock(&server->mutex);
  server->stopping = true;
  if (server->connection >= 0) shutdown(server->connection, SHUT_RDWR);
  pthread_mutex_unlock(&server->mutex);
  shutdown(server->listener, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  close(server->listener);
  unsigned requests = server->requests;
  pthread_mutex_destroy(&server->mutex);
  free(server);
  return requests;
}

bool http_send(int fd, const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  return len >= 0 && (size_t)len < sizeof(text) && peer_write(fd, text, (size_t)len);
}

uint8_t http_image_byte(uint64_t at) {
  return (uint8_t)(at * 2654435761u >> 13 ^ at);
}

bool http_send_image(int fd, uint64_t from, uint64_t len) {
  uint8_t block[16384];
  while (len > 0) {
    size_t n = len < sizeof(block) ? (size_t)len : sizeof(block);
    for (size_t i = 0; i < n; i++)
      block[i] = http_image_byte(from + i);
    if (!peer_write(fd, block, n)) return false;
    from += n;
    len -= n;
  }
  return true;
}

void http_wait_closed(int fd) {
  char byte;
  while (peer_read(fd, &byte, 1))
    continue;
}

void http_reset_on_close(int fd) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
