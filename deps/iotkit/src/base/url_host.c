/* Tested by deps/iotkit/test/base/test_url.c. */
/*
 * url_host.c - the hosts of URLs. Pure.
 *
 * Stricter than RFC 3986, which lets any text be a registered name: what is no DNS name and no
 * address is refused, because resolvers, proxies and allow-lists would each understand something
 * else by it.
 */
#include "base/url_host.h"

#include <string.h>

#include "base/ip.h"

#define LABEL_MAX 63
#define NAME_MAX_LEN 253 /* RFC 1035: 255 on the wire */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static bool is_ip(struct ik_str text, unsigned bits) {
  struct ik_ip ip;
  return ik_ip_parse(text, &ip) && ip.bits == bits;
}

/*
 * "127.1", "0x7f000001", "2130706433": resolvers take them for addresses, people and allow-lists do
 * not.
 */
static bool looks_numeric(struct ik_str label) {
  size_t i = 0;
  if (label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] == 'x' || label.ptr[1] == 'X')) {
    for (i = 2; i < label.len && is_hex(label.ptr[i]); i++) {}
    return i == label.len;
  }
  while (i < label.len && is_digit(label.ptr[i]))
    i++;
  return i == label.len;
}

static const char *check_name(struct ik_str text) {
  struct ik_str rest = text;
  struct ik_str label = {"", 0};
  bool more = true;
  if (text.len > NAME_MAX_LEN) return "host name longer than 253 characters";
  while (more) {
    label = ik_str_take(&rest, '.', &more);
    if (label.len == 0) return "host name with an empty label";
    if (label.len > LABEL_MAX) return "host name with a label longer than 63 characters";
    for (size_t i = 0; i < label.len; i++) {
      if ((unsigned char)label.ptr[i] >= 0x80) {
        return "host name with characters beyond ASCII; write it in its xn-- form";
      }
      if (!is_name_char(label.ptr[i])) return "host name with a character that none can have";
    }
  }
  if (looks_numeric(label) && !is_ip(text, 32))
    return "host that is neither a name nor an IPv4 address";
  return NULL;
}

const char *ik_url_host(struct ik_str text, char out[IK_HOST_MAX + 1], struct ik_host_form *form) {
  const char *wrong;
  *form = (struct ik_host_form){.is_ipv6 = text.len > 0 && text.ptr[0] == '['};
  if (text.len == 0) return "no host";
  if (form->is_ipv6) {
    if (text.ptr[text.len - 1] != ']') return "'[' without ']'";
    text = (struct ik_str){text.ptr + 1, text.len - 2};
    /* Zones ("%25eth0") mean something on one machine only; RFC 9844 took them out of URLs. */
    if (memchr(text.ptr, '%', text.len)) return "IPv6 address with a zone";
    wrong = text.len <= IK_HOST_MAX && is_ip(text, 128) ? NULL : "malformed IPv6 address";
  } else {
    /* Certificates, SNI and lists of hosts have names without the root's dot. */
    bool dot = text.ptr[text.len - 1] == '.';
    if (dot) text.len--;
    wrong = text.len > 0 ? check_name(text) : "no host";
    form->is_rooted = dot && !is_ip(text, 32);
  }
  if (wrong) return wrong;
  for (size_t i = 0; i < text.len; i++) {
    out[i] = text.ptr[i];
    if (out[i] >= 'A' && out[i] <= 'Z') out[i] |= 0x20;
  }
  out[text.len] = '\0';
  return NULL;
}

void ik_url_host_add_dot(char host[IK_HOST_MAX + 1]) {
  size_t len = strlen(host);
  if (len == IK_HOST_MAX) return;
  host[len] = '.';
  host[len + 1] = '\0';
}
