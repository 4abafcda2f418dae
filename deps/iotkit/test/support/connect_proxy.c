#include "connect_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
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

struct connect_proxy {
  struct connect_proxy_options options;
  int listener;
  uint16_t port;
  iotkit_thread_t *thread;
  pthread_mutex_t mutex;
  bool stopping;
  int client; /* -1: none; shut down by stop */
  enum connect_proxy_stage stage;
  char head[8192];
};

/* Byte by byte, so that nothing behind the head is taken. */
static bool read_head(int fd, char *head, size_t cap) {
  size_t len = 0;
  head[0] = '\0';
  while (len + 1 < cap) {
    if (recv(fd, head + len, 1, 0) != 1) return false;
    head[++len] = '\0';
    if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0) return true;
  }
  return false;
}

static bool answer(const struct connect_proxy_options *options, int fd) {
  size_t len = options->answer_len > 0 ? options->answer_len : strlen(options->answer);
  int one = 1;
  if (!options->bytewise) return peer_write(fd, options->answer, len);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  for (size_t i = 0; i < len; i++)
    if (!peer_write(fd, options->answer + i, 1)) return false;
  return true;
}

static int connect_to(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
  return fd;
}

static bool copy_some(int from, int to) {
  char block[16384];
  ssize_t n = recv(from, block, sizeof block, 0);
  return n > 0 && peer_write(to, block, (size_t)n);
}

static void tunnel(int client, uint16_t port) {
  int server = connect_to(port);
  struct pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
  bool on = true;
  while (on && poll(fds, 2, TEST_LIMIT_MS) > 0) {
    if (fds[0].revents != 0) on = copy_some(client, server);
    if (on && fds[1].revents != 0) on = copy_some(server, client);
  }
  close(server);
}

static void set_stage(struct connect_proxy *proxy, enum connect_proxy_stage stage) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->stage = stage;
  pthread_mutex_unlock(&proxy->mutex);
}

static void serve(struct connect_proxy *proxy, int fd) {
  const struct connect_proxy_options *options = &proxy->options;
  char byte;
  set_stage(proxy, CONNECT_PROXY_READS);
  if (!options->at_once && !read_head(fd, proxy->head, sizeof proxy->head)) return;
  if (!answer(options, fd)) return;
  set_stage(proxy, CONNECT_PROXY_ANSWERED);
  switch (options->then) {
  case CONNECT_PROXY_TUNNEL:
    tunnel(fd, options->port);
    break;
  case CONNECT_PROXY_HOLD:
    while (recv(fd, &byte, 1, 0) > 0)
      set_stage(proxy, CONNECT_PROXY_HEARD);
    break;
  case CONNECT_PROXY_CLOSE:
  case CONNECT_PROXY_RESET:
    break;
  }
}

/* False: it is to stop. */
static bool set_client(struct connect_proxy *proxy, int fd) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->client = fd;
  bool stopping = proxy->stopping;
  pthread_mutex_unlock(&proxy->mutex);
  return !stopping;
}

static void run(void *arg) {
  struct connect_proxy *proxy = arg;
  int fd;
  while ((fd = peer_accept(proxy->listener)) >= 0) {
    if (set_client(proxy, fd)) serve(proxy, fd);
    bool reset = proxy->options.then == CONNECT_PROXY_RESET;
    set_client(proxy, -1);
    if (reset) {
      peer_reset(fd);
    } else {
      close(fd);
    }
  }
}

struct connect_proxy *connect_proxy_start(const struct connect_proxy_options *options) {
  struct connect_proxy *proxy = calloc(1, sizeof *proxy);
  REQUIRE(proxy != NULL);
  proxy->options = *options;
  proxy->client = -1;
  proxy->listener = peer_listen(4, &proxy->port);
  REQUIRE(proxy->listener >= 0);
  pthread_mutex_init(&proxy->mutex, NULL);
  REQUIRE(iotkit_thread_start(&proxy->thread, "proxy", 0, run, proxy) == 0);
  return proxy;
}

uint16_t connect_proxy_port(const struct connect_proxy *proxy) {
  return proxy->port;
}

enum connect_proxy_stage connect_proxy_stage(struct connect_proxy *proxy) {
  pthread_mutex_lock(&proxy->mutex);
  enum connect_proxy_stage stage = proxy->stage;
  pthread_mutex_unlock(&proxy->mutex);
  return stage;
}

void connect_proxy_stop(struct connect_proxy *proxy, char *head, size_t cap) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->stopping = true;
  if (proxy->client >= 0) shutdown(proxy->client, SHUT_RDWR);
  pthread_mutex_unlock(&proxy->mutex);
  shutdown(proxy->listener, SHUT_RDWR);
  iotkit_thread_join(proxy->thread);
  close(proxy->listener);
  pthread_mutex_destroy(&proxy->mutex);
  if (head != NULL) snprintf(head, cap, "%s", proxy->head);
  free(proxy);
}
