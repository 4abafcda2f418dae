/*
 * url.h - http, https URLs as a client needs them (RFC 3986), and the resolving of redirect targets.
 */
#ifndef IK_URL_H
#define IK_URL_H

#include "buf.h"
#include "limits.h"

struct ik_url {
  bool https;
  bool host_is_ipv6;          /* written in brackets; `host` is without them */
  uint16_t port;              /* the scheme's default where none is written */
  char host[IK_HOST_MAX + 1]; /* lower case */
  char *authority;            /* owned: for the Host header: host, brackets, ":port" unless default */
  char *target;               /* owned: path and query, at least "/"; no fragment; bytes a request line can't carry are %-encoded */
};

/*
 * Parses an absolute URL of at most IK_URL_MAX bytes. Refused: other schemes (IK_EURL_SCHEME), userinfo, empty or
 * malformed hosts, bad ports, control characters (IK_EURL). `detail` (may be NULL) says what, never with the query.
 * On success the caller frees with ik_url_free; on failure nothing is owned.
 */
int ik_url_parse(struct ik_str text, struct ik_url *out, char *detail);
/* `reference` of a Location header relative to `base` (RFC 3986 section 5.2, dot segments removed). */
int ik_url_resolve(const struct ik_url *base, struct ik_str reference, struct ik_url *out, char *detail);
void ik_url_free(struct ik_url *url);

#endif
