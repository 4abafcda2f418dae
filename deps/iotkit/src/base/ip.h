/*
 * ip.h - IP addresses in text, without the system's help.
 */
#ifndef IK_BASE_IP_H
#define IK_BASE_IP_H

#include "base/buf.h"

struct ik_ip {
  unsigned bits; /* 32 or 128 */
  uint8_t bytes[16];
};

/* Four decimal octets without leading zeros, or RFC 4291 section 2.2 without brackets and zone. */
bool ik_ip_parse(struct ik_str text, struct ik_ip *out);
/* Whether the first `bits` are the same, and the kind of address. */
bool ik_ip_eq(const struct ik_ip *a, const struct ik_ip *b, uint64_t bits);

#endif
