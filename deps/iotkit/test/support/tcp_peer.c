#include "tcp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int bind_loopback(int family, bool reuse, uint16_t *port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr *address = family == 4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
  socklen_t len = family == 4 ? sizeof in : sizeof in6;
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  if (fd < 0) return -1;
  if ((reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) ||
      bind(fd, address, len) != 0 || getsockname(fd, address, &len) != 0) {
    close(fd);
    return -1;
  }
  *port = ntohs(family == 4 ? in.sin_port : in6.sin6_port);
  return fd;
}

int peer_listen(int family, uint16_t *port) {
  int fd = bind_loopback(family, false, port);
  if (fd >= 0 && listen(fd, 16) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

uint16_t peer_free_port(int family) {
  uint16_t port = 0;
  (void)bind_loopback(family, true, &port); /* bound until the process ends */
  return port;
}

int peer_accept(int listener) {
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

bool peer_read(int fd, void *buf, size_t len) {
  uint8_t *to = buf;
  size_t done = 0;
  while (done < len) {
    ssize_t n = recv(fd, to + done, len - done, 0);
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

bool peer_write(int fd, const void *data, size_t len) {
  const uint8_t *from = data;
  size_t done = 0;
  while (done < len) {
    ssize_t n = send(fd, from + done, len - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

void peer_reset(int fd) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(fd);
}
