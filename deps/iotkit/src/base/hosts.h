/*
 * hosts.h - lists of hosts: which ones a policy allows, which ones need no proxy.
 */
#ifndef IK_BASE_HOSTS_H
#define IK_BASE_HOSTS_H

#include "base/buf.h"

/* "a.example,*.b.example:8443,[::1]": exact names, and "*." for any name below. False: malformed. */
bool ik_hosts_valid(struct ik_str list);
/* Whether it names `host` (as in a URL, without brackets) at `port`. Case does not matter. */
bool ik_hosts_allow(struct ik_str list, const char *host, uint16_t port);
/*
 * As NO_PROXY is read by curl: "*", names that stand for themselves and all below (with or without
 * a leading dot), addresses, address blocks ("10.0.0.0/8", "fd00::/8"), each with or without a port.
 */
bool ik_hosts_no_proxy(struct ik_str list, const char *host, uint16_t port);

#endif
