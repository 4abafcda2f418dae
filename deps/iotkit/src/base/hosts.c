/*
 * hosts.c - lists of hosts. Pure.
 *
 * A list is read item by item each time: it is short, and asked about once a connection. Names are
 * compared whole labels at a time, addresses as numbers, so that "::1" is "0:0::1".
 */
#include "base/hosts.h"

#include <string.h>

#include "base/ip.h"
#include "base/url_host.h"

/* A host as it is asked about. */
struct target {
  struct ik_str name; /* without the root's dot */
  struct ik_ip ip;
  bool is_ip;
  uint16_t port;
};

static struct target make_target(const char *host, uint16_t port) {
  struct target target = {.name = ik_str(host), .port = port};
  target.is_ip = ik_ip_parse(target.name, &target.ip);
  if (target.name.len > 1 && target.name.ptr[target.name.len - 1] == '.') target.name.len--;
  return target;
}

static struct ik_str after(struct ik_str s, size_t n) {
  return (struct ik_str){s.ptr + n, s.len - n};
}

static bool starts_with(struct ik_str s, const char *prefix) {
  size_t len = strlen(prefix);
  return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

/* Whether `name` is one or more labels in front of `domain`. */
static bool is_below(struct ik_str name, struct ik_str domain) {
  if (name.len < domain.len + 2) return false;
  size_t at = name.len - domain.len;
  return name.ptr[at - 1] == '.' && ik_str_eq_nocase(after(name, at), domain);
}

/* Splits ":port" off; *port 0: there is none. False: what stands there is no port. */
static bool take_port(struct ik_str *item, uint16_t *port) {
  uint64_t value;
  size_t at = item->len;
  *port = 0;
  while (at > 0 && item->ptr[at - 1] != ':' && item->ptr[at - 1] != ']')
    at--;
  if (at == 0 || item->ptr[at - 1] == ']') return true;
  /* More than one colon and no bracket: an IPv6 address. */
  if (item->ptr[0] != '[' && memchr(item->ptr, ':', at - 1) != NULL) return true;
  if (!ik_str_u64(after(*item, at), &value) || value == 0 || value > UINT16_MAX) return false;
  *port = (uint16_t)value;
  item->len = at - 1;
  return true;
}

/* ---- what a policy allows ---- */

struct allowed {
  bool is_below; /* "*." stood before it */
  bool is_ip;
  struct ik_ip ip;
  uint16_t port; /* 0: any */
  char host[IK_HOST_MAX + 1];
};

static bool parse_allowed(struct ik_str item, struct allowed *out) {
  struct ik_host_form form;
  *out = (struct allowed){0};
  if (!take_port(&item, &out->port)) return false;
  if (starts_with(item, "*.")) {
    out->is_below = true;
    item = after(item, 2);
  }
  if (ik_url_host(item, out->host, &form) != NULL) return false;
  out->is_ip = ik_ip_parse(ik_str(out->host), &out->ip);
  return !(out->is_below && out->is_ip);
}

static bool allows(const struct allowed *allowed, const struct target *target) {
  struct ik_str host = ik_str(allowed->host);
  if (allowed->port != 0 && allowed->port != target->port) return false;
  if (allowed->is_ip || target->is_ip) {
    return allowed->is_ip && target->is_ip && ik_ip_eq(&allowed->ip, &target->ip, allowed->ip.bits);
  }
  if (allowed->is_below) return is_below(target->name, host);
  return ik_str_eq_nocase(target->name, host);
}

/* The next item of a list separated by commas, trimmed. False: that was the last. */
static bool next_item(struct ik_str *rest, struct ik_str *item) {
  const char *comma = rest->len > 0 ? memchr(rest->ptr, ',', rest->len) : NULL;
  size_t n = comma == NULL ? rest->len : (size_t)(comma - rest->ptr);
  *item = ik_str_trim((struct ik_str){rest->ptr, n});
  *rest = after(*rest, comma == NULL ? n : n + 1);
  return comma != NULL;
}

bool ik_hosts_valid(struct ik_str list) {
  struct allowed allowed;
  struct ik_str item;
  bool more = true;
  while (more) {
    more = next_item(&list, &item);
    if (!parse_allowed(item, &allowed)) return false;
  }
  return true;
}

bool ik_hosts_allow(struct ik_str list, const char *host, uint16_t port) {
  struct target target = make_target(host, port);
  struct allowed allowed;
  struct ik_str item;
  bool more = true;
  while (more) {
    more = next_item(&list, &item);
    if (parse_allowed(item, &allowed) && allows(&allowed, &target)) return true;
  }
  return false;
}

/* ---- what needs no proxy ---- */

static bool is_separator(char c) {
  return c == ',' || c == ' ' || c == '\t';
}

/* An empty one: that was the last. */
static struct ik_str next_word(struct ik_str *rest) {
  size_t from = 0;
  while (from < rest->len && is_separator(rest->ptr[from]))
    from++;
  size_t to = from;
  while (to < rest->len && !is_separator(rest->ptr[to]))
    to++;
  struct ik_str word = {rest->ptr + from, to - from};
  *rest = after(*rest, to);
  return word;
}

static struct ik_str without_brackets(struct ik_str s) {
  if (s.len < 2 || s.ptr[0] != '[' || s.ptr[s.len - 1] != ']') return s;
  return (struct ik_str){s.ptr + 1, s.len - 2};
}

/* "10.0.0.0/8", "[fd00::]/8", "::1"; *is_block: the word is of this kind, whatever it matches. */
static bool block_matches(struct ik_str word, const struct target *target, bool *is_block) {
  const char *slash = memchr(word.ptr, '/', word.len);
  struct ik_str text = {word.ptr, slash == NULL ? word.len : (size_t)(slash - word.ptr)};
  struct ik_ip ip;
  *is_block = slash != NULL;
  if (!ik_ip_parse(without_brackets(text), &ip)) return false;
  *is_block = true;
  uint64_t bits = ip.bits;
  if (slash != NULL && !ik_str_u64(after(word, text.len + 1), &bits)) return false;
  return target->is_ip && ik_ip_eq(&ip, &target->ip, bits);
}

static bool needs_no_proxy(struct ik_str word, const struct target *target) {
  uint16_t port;
  bool is_block;
  bool only_below = false;
  if (!take_port(&word, &port) || (port != 0 && port != target->port)) return false;
  if (ik_str_eq(word, IK_STR("*"))) return true;
  if (word.len > 0 && block_matches(word, target, &is_block)) return true;
  if (word.len == 0 || is_block || target->is_ip) return false;
  if (starts_with(word, "*.")) {
    only_below = true;
    word = after(word, 2);
  } else if (word.ptr[0] == '.') {
    word = after(word, 1);
  }
  if (word.len > 0 && word.ptr[word.len - 1] == '.') word.len--;
  if (word.len == 0) return false;
  return is_below(target->name, word) || (!only_below && ik_str_eq_nocase(target->name, word));
}

bool ik_hosts_no_proxy(struct ik_str list, const char *host, uint16_t port) {
  struct target target = make_target(host, port);
  for (;;) {
    struct ik_str word = next_word(&list);
    if (word.len == 0) return false;
    if (needs_no_proxy(word, &target)) return true;
  }
}
