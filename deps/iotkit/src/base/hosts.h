/*
 * hosts.h - lists of hosts: which ones a policy allows, which ones need no proxy.
 */
#ifndef IK_BASE_HOSTS_H
#define IK_BASE_HOSTS_H

#include "base/buf.h"

/*
 * "a.example,*.b.example:8443,[::1]": exact names, and "*." for any name below. False: malformed.
 */
bool ik_hosts_valid(struct ik_str list);
/* Whether it names `host` (as in a URL, without brackets) at `port`. Case does not matter. */
bool ik_hosts_allow(struct ik_str list, const char *host, uint16_t port);
/*
 * As curl reads NO_PROXY: "*"; names, which stand for themselves and all below, with or without a
 * leading dot; addresses and blocks of them ("10.0.0.0/8", "fd00::/8"); separated by commas or
 * spaces. Besides, as others read it: "*." for what is below alone, "*" among others, brackets,
 * and a port after any of these. Any other word matches nothing.
 */
bool ik_hosts_no_proxy(struct ik_str list, const char *host, uint16_t port);

#endif
