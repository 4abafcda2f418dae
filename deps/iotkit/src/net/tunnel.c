/*
 * tunnel.c - the request for a tunnel and the proxy's answer.
 *
 * The request is made when the tunnel is, sent, and wiped, because it may hold a password. Of the
 * answer the head alone is read: a proxy that opens the tunnel has nothing to say after it, since
 * in TLS the client speaks first; of one that does not open it the status says enough.
 */
#include "net/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/endpoint.h"
#include "http/head.h"
#include "http/text.h"
#include "iotkit_mqtt.h"

#define REQUEST_MAX (2 * IK_ENDPOINT_MAX + IK_PROXY_AUTH_MAX + 128)
#define INTERIM_MAX 16
#define READ_SIZE 1024

struct ik_tunnel {
  struct ik_http_head head;
  unsigned interim; /* 1xx answers so far */
  bool has_credentials;
  struct ik_endpoint target;
  struct ik_endpoint proxy;
  size_t sent;
  size_t request_len;
  char request[REQUEST_MAX];
};

static void write_request(struct ik_tunnel *tunnel, const char *authorization) {
  bool any = authorization[0] != '\0';
  int len = snprintf(tunnel->request, sizeof tunnel->request,
                     "CONNECT %s HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "%s%s%s"
                     "\r\n",
                     tunnel->target.text, tunnel->target.text, any ? "Proxy-Authorization: " : "",
                     authorization, any ? "\r\n" : "");
  tunnel->request_len = (size_t)len; /* all its parts have their limits */
  tunnel->has_credentials = any;
}

/* Of a URL they always are; a text from elsewhere must not become header fields. */
static bool can_be_sent(const char *host, const struct ik_proxy *proxy) {
  size_t host_len = strlen(host);
  size_t len = strnlen(proxy->authorization, sizeof proxy->authorization);
  return host_len > 0 && host_len <= IK_HOST_MAX && strpbrk(host, " \t/?#@[]\\") == NULL &&
         ik_http_is_text(host, host_len) && len < sizeof proxy->authorization &&
         ik_http_is_text(proxy->authorization, len);
}

int ik_tunnel_new(const char *host, uint16_t port, const struct ik_proxy *proxy,
                  struct ik_tunnel **out, char *detail) {
  *out = NULL;
  if (!can_be_sent(host, proxy)) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "no proxy can be asked for such a host");
  }
  struct ik_tunnel *tunnel = calloc(1, sizeof *tunnel);
  if (tunnel == NULL) return IK_ENO_MEMORY;
  ik_http_head_init(&tunnel->head);
  tunnel->target = ik_endpoint(host, port);
  tunnel->proxy = ik_endpoint(proxy->host, proxy->port);
  write_request(tunnel, proxy->authorization);
  *out = tunnel;
  return 0;
}

void ik_tunnel_free(struct ik_tunnel *tunnel) {
  if (tunnel == NULL) return;
  ik_wipe(tunnel->request, sizeof tunnel->request);
  ik_http_head_free(&tunnel->head);
  free(tunnel);
}

struct ik_str ik_tunnel_request(const struct ik_tunnel *tunnel) {
  return (struct ik_str){tunnel->request + tunnel->sent, tunnel->request_len - tunnel->sent};
}

/* ---- the answer ---- */

/* Whether it asks for something else than a user and password as they are (RFC 7617). */
static bool wants_another_scheme(const struct ik_http_head *head) {
  struct ik_str value;
  size_t count = 0;
  for (; ik_http_head_at(head, "Proxy-Authenticate", count, &value); count++) {
    do {
      struct ik_str item = ik_http_next_item(&value);
      struct ik_str scheme = {item.ptr, item.len < 5 ? item.len : 5};
      if (ik_str_eq_nocase(scheme, IK_STR("Basic"))) return false;
    } while (value.ptr != NULL);
  }
  return count > 0;
}

static int refused(const struct ik_tunnel *tunnel, char *detail) {
  unsigned status = tunnel->head.status;
  /* 401 is for origin servers, but tinyproxy says it of a wrong password. */
  if (status == 407 || status == 401) {
    ik_detail(detail, "the proxy %.110s %s (%u)", tunnel->proxy.text,
              wants_another_scheme(&tunnel->head) ? "wants authentication other than Basic"
              : tunnel->has_credentials           ? "refuses the user or password"
                                                  : "wants a user and password",
              status);
  } else {
    ik_detail(detail, "the proxy %.90s refuses a tunnel to %.90s (%u)", tunnel->proxy.text,
              tunnel->target.text, status);
  }
  return IK_EPROXY_REFUSED;
}

/* `len` bytes followed the head. */
static int judge(const struct ik_tunnel *tunnel, size_t len, char *detail) {
  unsigned status = tunnel->head.status;
  switch (status) {
  case 401:
  case 403:
  case 405:
  case 407:
  case 501: /* CONNECT is not implemented */
    return refused(tunnel, detail);
  default:
    break;
  }
  if (status < 200 || status > 299) {
    return ik_refuse(detail, IK_EPROXY, "the proxy %.90s opens no tunnel to %.90s (%u)",
                     tunnel->proxy.text, tunnel->target.text, status);
  }
  if (len == 0) return 0;
  return ik_refuse(detail, IK_EPROXY, "the proxy %.110s sent %zu bytes behind its answer",
                   tunnel->proxy.text, len);
}

/* What the parser has against the answer, as an error of the proxy. */
static int malformed(const struct ik_tunnel *tunnel, int error, const char *reason, char *detail) {
  if (error == IK_ENO_MEMORY) return error;
  return ik_refuse(detail, IK_EPROXY, "the proxy %.90s: %.140s", tunnel->proxy.text, reason);
}

int ik_tunnel_push(struct ik_tunnel *tunnel, const uint8_t *data, size_t len, char *detail) {
  while (len > 0) {
    char reason[IOTKIT_DETAIL_MAX] = "";
    size_t used;
    int rc = ik_http_head_push(&tunnel->head, data, len, &used, reason);
    if (rc < 0) return malformed(tunnel, rc, reason, detail);
    data += used;
    len -= used;
    if (rc == 0) break;
    bool is_interim = tunnel->head.status < 200 && tunnel->head.status != 101;
    if (!is_interim) return judge(tunnel, len, detail);
    if (++tunnel->interim > INTERIM_MAX) {
      return malformed(tunnel, IK_EPROXY, "too many interim answers", detail);
    }
    ik_http_head_reset(&tunnel->head);
  }
  return IK_EAGAIN;
}

/* ---- the connection ---- */

static int broken(const struct ik_tunnel *tunnel, ptrdiff_t error, char *detail) {
  if (error == IK_EAGAIN) return IK_EAGAIN;
  return ik_refuse(detail, IK_EPROXY, "the proxy %.110s %s without an answer", tunnel->proxy.text,
                   error == IK_ECONNECTION_RESET ? "reset the connection"
                                                 : "closed the connection");
}

/* False: the socket takes no more for now. */
static bool send_request(struct ik_tunnel *tunnel, int fd) {
  struct ik_str rest = ik_tunnel_request(tunnel);
  while (rest.len > 0) {
    ptrdiff_t n = ik_tcp_write(fd, rest.ptr, rest.len);
    if (n == IK_EAGAIN) return false;
    /* After an error too: what the proxy sent before it closed may be read. */
    tunnel->sent += n > 0 ? (size_t)n : rest.len;
    rest = ik_tunnel_request(tunnel);
  }
  ik_wipe(tunnel->request, sizeof tunnel->request);
  return true;
}

int ik_tunnel_step(struct ik_tunnel *tunnel, int fd, char *detail) {
  uint8_t data[READ_SIZE];
  int rc = IK_EAGAIN;
  if (!send_request(tunnel, fd)) return IK_EAGAIN;
  while (rc == IK_EAGAIN) {
    ptrdiff_t n = ik_tcp_read(fd, data, sizeof data);
    if (n <= 0) return broken(tunnel, n, detail);
    rc = ik_tunnel_push(tunnel, data, (size_t)n, detail);
  }
  return rc;
}

int ik_tunnel_interest(const struct ik_tunnel *tunnel) {
  return tunnel->sent < tunnel->request_len ? IOTKIT_WRITE : IOTKIT_READ;
}
