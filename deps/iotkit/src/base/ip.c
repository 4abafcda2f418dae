/*
 * ip.c - IP addresses in text. Pure.
 */
#include "base/ip.h"

#include <string.h>

#define GROUPS ((size_t)8)

static bool parse_ipv4(struct ik_str text, uint8_t *out) {
  bool more = true;
  int octets = 0;
  while (more) {
    struct ik_str octet = ik_str_take(&text, '.', &more);
    uint64_t value;
    if (octets == 4 || octet.len > 3 || !ik_str_u64(octet, &value) || value > 255) return false;
    if (octet.len > 1 && octet.ptr[0] == '0') return false;
    out[octets++] = (uint8_t)value;
  }
  return octets == 4;
}

/* What has been read of an IPv6 address: groups of two bytes, and where "::" stood among them. */
struct groups {
  uint8_t bytes[2 * GROUPS];
  size_t count;
  size_t gap; /* GROUPS + 1: none */
};

static bool add_group(struct groups *groups, struct ik_str group) {
  uint64_t value;
  if (groups->count == GROUPS || group.len > 4 || !ik_str_hex_u64(group, &value)) return false;
  groups->bytes[2 * groups->count] = (uint8_t)(value >> 8);
  groups->bytes[2 * groups->count + 1] = (uint8_t)value;
  groups->count++;
  return true;
}

/* The last 32 bits, written as an IPv4 address. */
static bool add_ipv4(struct groups *groups, struct ik_str text) {
  if (groups->count > GROUPS - 2) return false;
  if (!parse_ipv4(text, groups->bytes + 2 * groups->count)) return false;
  groups->count += 2;
  return true;
}

static bool read_groups(struct ik_str text, struct groups *groups) {
  bool more = true;
  if (text.len < 2) return false;
  if (text.ptr[0] == ':') {
    if (text.ptr[1] != ':') return false;
    groups->gap = 0;
    text = (struct ik_str){text.ptr + 2, text.len - 2};
    more = text.len > 0;
  }
  while (more) {
    struct ik_str group = ik_str_take(&text, ':', &more);
    if (group.len == 0) {
      if (groups->gap <= GROUPS || groups->count == 0) return false;
      groups->gap = groups->count;
      more = text.len > 0;
      continue;
    }
    if (!more && memchr(group.ptr, '.', group.len)) return add_ipv4(groups, group);
    if (!add_group(groups, group)) return false;
    if (more && text.len == 0) return false; /* a single ':' at the end */
  }
  return true;
}

static bool parse_ipv6(struct ik_str text, uint8_t out[16]) {
  struct groups groups = {.gap = GROUPS + 1};
  if (!read_groups(text, &groups)) return false;
  bool has_gap = groups.gap <= GROUPS;
  if (has_gap ? groups.count == GROUPS : groups.count != GROUPS) return false;
  size_t head = 2 * (has_gap ? groups.gap : GROUPS);
  size_t tail = 2 * groups.count - head;
  memset(out, 0, 16);
  memcpy(out, groups.bytes, head);
  memcpy(out + 16 - tail, groups.bytes + head, tail);
  return true;
}

bool ik_ip_parse(struct ik_str text, struct ik_ip *out) {
  struct ik_ip ip = {.bits = 32};
  if (!parse_ipv4(text, ip.bytes)) {
    ip.bits = 128;
    if (!parse_ipv6(text, ip.bytes)) return false;
  }
  *out = ip;
  return true;
}

bool ik_ip_eq(const struct ik_ip *a, const struct ik_ip *b, uint64_t bits) {
  size_t whole = (size_t)bits / 8;
  if (a->bits != b->bits || bits > a->bits) return false;
  if (memcmp(a->bytes, b->bytes, whole) != 0) return false;
  if (bits % 8 == 0) return true;
  return (a->bytes[whole] ^ b->bytes[whole]) >> (8 - bits % 8) == 0;
}
