/*
 * endpoint.h - a host and its port as one text, for requests, logs and details.
 */
#ifndef IK_BASE_ENDPOINT_H
#define IK_BASE_ENDPOINT_H

#include <stdint.h>

#include "base/limits.h"

#define IK_ENDPOINT_MAX (IK_HOST_MAX + sizeof "[]:65535")

struct ik_endpoint {
  char text[IK_ENDPOINT_MAX];
};

/*
 * "host:port" as a URL has it, with brackets around an IPv6 address; port 0: the host alone. A host
 * longer than IK_HOST_MAX is cut. Returned by value, so that `ik_endpoint(…).text` can be an
 * argument: it lives until the end of that expression.
 */
struct ik_endpoint ik_endpoint(const char *host, uint16_t port);

#endif
