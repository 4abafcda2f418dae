/*
 * Proxies: the input is a proxy's answer to CONNECT, which gives the same however it is split, and
 * opens the tunnel only with a 2xx that ends with the input; the same bytes are a proxy's URL and a
 * list of hosts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hosts.h"
#include "net/tunnel.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

#define SECRET "c2VjcmV0OnM"

static const struct ik_proxy proxy = {
    .host = "proxy.example", .port = 3128, .authorization = "Basic " SECRET "="};

static bool contains(const uint8_t *data, size_t size, const char *text) {
  size_t len = strlen(text);
  for (size_t i = 0; i + len <= size; i++) {
    if (memcmp(data + i, text, len) == 0) return true;
  }
  return false;
}

/* `tail`: how many bytes follow what was pushed last. */
static int push(const uint8_t *data, size_t size, size_t step, size_t *tail, char *detail) {
  struct ik_tunnel *tunnel;
  int rc = IK_EAGAIN;
  size_t at = 0;
  CHECK(ik_tunnel_new("fw.example", 443, &proxy, &tunnel, NULL) == 0);
  while (rc == IK_EAGAIN && at < size) {
    size_t n = size - at < step ? size - at : step;
    uint8_t *piece = malloc(n); /* so that a read after its end is seen */
    CHECK(piece != NULL);
    memcpy(piece, data + at, n);
    rc = ik_tunnel_push(tunnel, piece, n, detail);
    free(piece);
    at += n;
  }
  ik_tunnel_free(tunnel);
  *tail = size - at;
  return rc;
}

static void check_answer(const uint8_t *data, size_t size) {
  static const size_t steps[] = {1, 7};
  char detail[IOTKIT_DETAIL_MAX] = "";
  size_t tail;
  int rc = push(data, size, SIZE_MAX, &tail, detail);
  CHECK(rc == 0 || rc == IK_EAGAIN || rc == IK_EPROXY || rc == IK_EPROXY_REFUSED);
  if (rc == IK_EPROXY || rc == IK_EPROXY_REFUSED) CHECK(strstr(detail, "proxy.example:3128"));
  /* Names of header fields are shown; what the proxy itself says is no secret of ours. */
  CHECK(!strstr(detail, SECRET) || contains(data, size, SECRET));
  if (rc == 0) CHECK(size > 15 && memcmp(data + size - 4, "\r\n\r\n", 4) == 0);
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    int again = push(data, size, steps[i], &tail, NULL);
    /* Bytes after the head are seen only when they come with it. */
    bool cut = again == 0 && rc == IK_EPROXY && (tail > 0 || steps[i] > 1);
    CHECK(again == rc || cut);
  }
}

static void check_url(struct ik_str text) {
  struct ik_proxy parsed;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_proxy_parse(text, &parsed, detail);
  CHECK(rc == 0 || rc == IK_EURL || rc == IK_EUNSUPPORTED || rc == IK_ETOO_LONG);
  if (rc != 0) {
    CHECK(detail[0] != '\0' && parsed.authorization[0] == '\0');
    return;
  }
  CHECK(parsed.host[0] != '\0' && parsed.port != 0);
  /* What was parsed can be asked for a tunnel. */
  struct ik_tunnel *tunnel;
  CHECK(ik_tunnel_new(parsed.host, parsed.port, &parsed, &tunnel, NULL) == 0);
  ik_tunnel_free(tunnel);
}

static void check_hosts(struct ik_str text) {
  static const char *const hosts[] = {"a.example", "10.0.0.1", "fd00::1", "localhost"};
  bool valid = ik_hosts_valid(text);
  bool any = false;
  for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
    any = ik_hosts_allow(text, hosts[i], 443) || any;
    ik_hosts_no_proxy(text, hosts[i], 443);
  }
  if (any && !valid) CHECK(memchr(text.ptr, ',', text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_str text = {(const char *)data, size};
  check_answer(data, size);
  check_url(text);
  check_hosts(text);
  return 0;
}
