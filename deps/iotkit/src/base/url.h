/*
 * url.h - http and https URLs as a client needs them (RFC 3986), and redirect targets.
 */
#ifndef IK_URL_H
#define IK_URL_H

#include "base/buf.h"
#include "base/limits.h"

struct ik_url {
  bool https;
  bool host_is_ipv6;          /* written in brackets; `host` is without them */
  bool host_is_rooted;        /* written with the root's dot, which is for the resolver alone */
  uint16_t port;              /* the scheme's default where none is written */
  char host[IK_HOST_MAX + 1]; /* lower case */
  char *authority;            /* owned; for Host: host, brackets, ":port" unless default */
  char *target;               /* owned; path and query, at least "/", %-encoded where needed */
};

/*
 * Parses an absolute URL of at most IK_URL_MAX bytes, also once it is encoded (IK_ETOO_LONG).
 * Refused: other schemes (IK_EURL_SCHEME), userinfo, empty or malformed hosts, bad ports, control
 * characters (IK_EURL). Normalised: spaces around it, case of scheme and host, a host's last dot,
 * the default port, dot segments; the fragment is dropped; what RFC 3986 allows nowhere in a path
 * or query is %-encoded, what is %-encoded already stays as it is. `detail` (may be NULL) says what
 * is wrong, never with the query. On success the caller frees with ik_url_free; on failure nothing
 * is owned. A query may be a signature: what is freed is wiped before.
 */
int ik_url_parse(struct ik_str text, struct ik_url *out, char *detail);
/*
 * `reference` of a Location header relative to `base` (RFC 3986 section 5.2). One that begins with
 * "/\", "\\" or "\/" is refused (IK_EURL): to browsers it names a host.
 */
int ik_url_resolve(const struct ik_url *base, struct ik_str reference, struct ik_url *out,
                   char *detail);
void ik_url_free(struct ik_url *url);

#endif
