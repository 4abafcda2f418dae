/*
 * endpoint.c - writes host and port. Pure; a result owns nothing.
 */
#include "base/endpoint.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct ik_endpoint ik_endpoint(const char *host, uint16_t port) {
  struct ik_endpoint out;
  bool is_ipv6 = strchr(host, ':') != NULL;
  int max = (int)IK_HOST_MAX;
  int len = snprintf(out.text, sizeof out.text, is_ipv6 ? "[%.*s]" : "%.*s", max, host);
  if (port != 0) snprintf(out.text + len, sizeof out.text - (size_t)len, ":%u", (unsigned)port);
  return out;
}
