/*
 * socket.c - non-blocking TCP. A descriptor belongs to the caller from ik_tcp_connect to
 * ik_tcp_close.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/posix/address.h"
#include "port/posix/posix.h"

/* No write may raise SIGPIPE: by a flag where there is one, else by a socket option. */
#if defined(MSG_NOSIGNAL)
#define SEND_FLAGS MSG_NOSIGNAL
#else
#define SEND_FLAGS 0
#endif

/* A peer that vanished without a word is noticed within some minutes even by a reader that never
 * writes. */
#define KEEP_ALIVE_IDLE_S 60
#define KEEP_ALIVE_INTERVAL_S 15
#define KEEP_ALIVE_COUNT 4

static void set_int(int fd, int level, int option, int value) {
  /* Each only tunes; a socket without it still works. */
  setsockopt(fd, level, option, &value, sizeof value);
}

static void set_options(int fd) {
  set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#if defined(TCP_KEEPIDLE)
  set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_ALIVE_IDLE_S);
#elif defined(TCP_KEEPALIVE)
  set_int(fd, IPPROTO_TCP, TCP_KEEPALIVE, KEEP_ALIVE_IDLE_S);
#endif
#if defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
  set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_S);
  set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_ALIVE_COUNT);
#endif
#if defined(SO_NOSIGPIPE)
  set_int(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
}

static int open_socket(int family) {
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
#else
  int fd = socket(family, SOCK_STREAM, IPPROTO_TCP);
  if (fd < 0) return -1;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
#endif
}

static int connect_error(int error, char *detail) {
  char text[IK_ERRNO_TEXT_MAX];
  ik_detail(detail, "%s", ik_posix_errno_text(error, text));
  /* Descriptors or memory ran out: that says nothing about the peer. */
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) return IK_ENETWORK;
  return IK_ECONNECT;
}

int ik_tcp_connect(const struct ik_address *address, int *fd, char *detail) {
  struct sockaddr_storage os;
  socklen_t len = ik_posix_sockaddr(address, &os);
  *fd = -1;
  int opened = open_socket(os.ss_family);
  if (opened < 0) return connect_error(errno, detail);
  set_options(opened);
  /* After EINTR connecting continues in the background, as after EINPROGRESS. */
  if (connect(opened, (struct sockaddr *)&os, len) != 0 && errno != EINPROGRESS && errno != EINTR) {
    int error = errno;
    close(opened);
    return connect_error(error, detail);
  }
  *fd = opened;
  return 0;
}

/* A port of this machine's own ephemeral range that nobody listens on may connect to itself; nobody
 * is there then. */
static bool is_connected_to_itself(int fd, const struct sockaddr_storage *peer,
                                   socklen_t peer_len) {
  struct sockaddr_storage self = {0};
  socklen_t len = sizeof self;
  if (getsockname(fd, (struct sockaddr *)&self, &len) != 0) return false;
  return len == peer_len && memcmp(&self, peer, len) == 0;
}

int ik_tcp_connected(int fd, char *detail) {
  struct pollfd decided = {.fd = fd, .events = POLLOUT};
  struct sockaddr_storage peer = {0};
  socklen_t len = sizeof peer;
  int error = 0;
  socklen_t error_len = sizeof error;

  int count = poll(&decided, 1, 0);
  if (count == 0 || (count < 0 && errno == EINTR)) return IK_EAGAIN;
  if (count < 0) return connect_error(errno, detail);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) error = errno;
  if (error != 0) return connect_error(error, detail);
  if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0) return connect_error(errno, detail);
  if (is_connected_to_itself(fd, &peer, len)) return connect_error(ECONNREFUSED, detail);
  return 0;
}

static int stream_error(int error) {
  switch (error) {
  case EAGAIN:
#if EWOULDBLOCK != EAGAIN
  case EWOULDBLOCK:
#endif
    return IK_EAGAIN;
  case ECONNRESET:
  case ECONNABORTED:
  case EPIPE:
    return IK_ECONNECTION_RESET;
  default:
    return IK_ENETWORK;
  }
}

ptrdiff_t ik_tcp_read(int fd, void *buf, size_t len) {
  ssize_t n;
  if (len == 0) return IK_EINVALID_ARGUMENT; /* 0 bytes would look like the peer's end */
  do {
    n = recv(fd, buf, len, 0);
  } while (n < 0 && errno == EINTR);
  return n >= 0 ? n : stream_error(errno);
}

ptrdiff_t ik_tcp_write(int fd, const void *data, size_t len) {
  ssize_t n;
  do {
    n = send(fd, data, len, SEND_FLAGS);
  } while (n < 0 && errno == EINTR);
  return n >= 0 ? n : stream_error(errno);
}

void ik_tcp_shutdown(int fd) {
  (void)shutdown(fd, SHUT_WR);
}

void ik_tcp_close(int fd) {
  if (fd >= 0) close(fd);
}
