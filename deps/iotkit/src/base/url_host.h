/*
 * url_host.h - the host of a URL: which ones a client can look up, put into a Host header and
 * verify a certificate against.
 */
#ifndef IK_URL_HOST_H
#define IK_URL_HOST_H

#include "buf.h"
#include "limits.h"

/*
 * Checks `text` and writes it in lower case, without brackets and without the root's trailing dot.
 * Returns NULL, or what is wrong (static text). `*is_ipv6`: it was an IPv6 address in brackets.
 */
const char *ik_url_host(struct ik_str text, char out[IK_HOST_MAX + 1], bool *is_ipv6);

#endif
