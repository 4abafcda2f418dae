/*
 * url_host.h - the host of a URL: which ones a client can look up, put into a Host header and
 * verify a certificate against.
 */
#ifndef IK_URL_HOST_H
#define IK_URL_HOST_H

#include "base/buf.h"
#include "base/limits.h"

/* How a host was written. */
struct ik_host_form {
  bool is_ipv6;   /* an IPv6 address in brackets */
  bool is_rooted; /* a name that ends with the root's dot: no search domain is tried for it */
};

/*
 * Checks `text` and writes it in lower case, without brackets and without the root's trailing dot.
 * Returns NULL, or what is wrong (static text).
 */
const char *ik_url_host(struct ik_str text, char out[IK_HOST_MAX + 1], struct ik_host_form *form);
/* Appends the root's dot to a rooted name, for the resolver. */
void ik_url_host_add_dot(char host[IK_HOST_MAX + 1]);

#endif
