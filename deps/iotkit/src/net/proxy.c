/*
 * proxy.c - proxy URLs and where they come from.
 *
 * Texts are copied once and wiped before they are freed, because they may hold a password. A parsed
 * proxy owns nothing; its holder wipes it.
 */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>

#include "../base/codec.h"
#include "../base/hosts.h"
#include "../base/url_host.h"

#define DEFAULT_PORT 80
#define CREDENTIAL_MAX 255

enum { FOR_HTTP = 0, FOR_HTTPS = 1 };

/* ---- one URL ---- */

/* The text before the first of `stops`, taken off *rest. */
static struct ik_str cut_before(struct ik_str *rest, const char *stops) {
  struct ik_str part = {rest->ptr, 0};
  while (part.len < rest->len && strchr(stops, rest->ptr[part.len]) == NULL)
    part.len++;
  rest->ptr += part.len;
  rest->len -= part.len;
  return part;
}

static bool is_scheme_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '-' || c == '.';
}

/* Names only kinds of proxies that there are: any other text might be a piece of a password. */
static int check_scheme(struct ik_str scheme, char *detail) {
  static const char *const known[] = {"https", "socks", "socks4", "socks4a", "socks5", "socks5h"};
  if (ik_str_eq_nocase(scheme, IK_STR("http"))) return 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!ik_str_eq_nocase(scheme, ik_str(known[i]))) continue;
    ik_detail(detail, "is a proxy over %s; only http:// ones are supported", known[i]);
    return IK_EUNSUPPORTED;
  }
  ik_detail(detail, "has a scheme that is not http");
  return IK_EUNSUPPORTED;
}

/* Takes "scheme://" off; a text without one is a host, as everywhere in the environment. */
static int take_scheme(struct ik_str *rest, char *detail) {
  size_t n = 0;
  while (n < rest->len && is_scheme_char(rest->ptr[n]))
    n++;
  if (rest->len - n < 3 || memcmp(rest->ptr + n, "://", 3) != 0) return 0;
  struct ik_str scheme = {rest->ptr, n};
  rest->ptr += n + 3;
  rest->len -= n + 3;
  return check_scheme(scheme, detail);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Appends the decoded text; what RFC 7617 lets no user or password have is refused. */
static int decode(struct ik_str text, char stop, uint8_t *out, size_t *len, char *detail) {
  size_t end = *len + CREDENTIAL_MAX;
  for (size_t i = 0; i < text.len; i++) {
    unsigned c = (unsigned char)text.ptr[i];
    if (c == '%') {
      int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
      int low = text.len - i > 2 ? hex_digit(text.ptr[i + 2]) : -1;
      if (high < 0 || low < 0) {
        ik_detail(detail, "has a '%%' in user or password that two hex digits do not follow");
        return IK_EURL;
      }
      c = (unsigned)high << 4 | (unsigned)low;
      i += 2;
    }
    if (c < 0x20 || c == 0x7f || c == (unsigned char)stop) {
      ik_detail(detail, "has a character in user or password that none can have");
      return IK_EURL;
    }
    if (*len == end) {
      ik_detail(detail, "has a user or password longer than %d bytes", CREDENTIAL_MAX);
      return IK_ETOO_LONG;
    }
    out[(*len)++] = (uint8_t)c;
  }
  return 0;
}

/* "user:password" as the value of Proxy-Authorization (RFC 7617). */
static int write_authorization(struct ik_str info, struct ik_proxy *out, char *detail) {
  uint8_t plain[2 * CREDENTIAL_MAX + 1];
  size_t len = 0;
  struct ik_buf text;
  struct ik_str user = cut_before(&info, ":");
  if (user.len == 0 && info.len == 0) return 0;
  ik_buf_init(&text, sizeof out->authorization - 1);
  int rc = decode(user, ':', plain, &len, detail);
  if (rc != 0) goto out;
  plain[len++] = ':';
  if (info.len > 0) info = (struct ik_str){info.ptr + 1, info.len - 1};
  rc = decode(info, '\0', plain, &len, detail);
  if (rc == 0) rc = ik_buf_append_str(&text, "Basic ");
  if (rc == 0) rc = ik_base64_encode(plain, len, &text);
  if (rc == 0) memcpy(out->authorization, ik_buf_ptr(&text), ik_buf_size(&text));
  if (text.data != NULL) ik_wipe(text.data, text.cap);
out:
  ik_wipe(plain, sizeof plain);
  ik_buf_free(&text);
  return rc;
}

static const char *take_port(struct ik_str *host, uint16_t *port) {
  uint64_t value;
  *port = DEFAULT_PORT;
  if (host->len == 0 || host->ptr[host->len - 1] == ']') return NULL;
  size_t at = host->len;
  while (at > 0 && host->ptr[at - 1] != ':')
    at--;
  if (at == 0) return NULL;
  struct ik_str digits = {host->ptr + at, host->len - at};
  host->len = at - 1;
  if (digits.len == 0) return NULL;
  if (!ik_str_u64(digits, &value) || value == 0 || value > UINT16_MAX) return "a malformed port";
  *port = (uint16_t)value;
  return NULL;
}

static int read_authority(struct ik_str text, struct ik_proxy *out, char *detail) {
  struct ik_str host = text;
  bool is_ipv6;
  int rc = 0;
  for (size_t i = text.len; i > 0; i--) {
    if (text.ptr[i - 1] != '@') continue;
    host = (struct ik_str){text.ptr + i, text.len - i};
    rc = write_authorization((struct ik_str){text.ptr, i - 1}, out, detail);
    break;
  }
  if (rc != 0) return rc;
  const char *wrong = take_port(&host, &out->port);
  if (wrong == NULL) wrong = ik_url_host(host, out->host, &is_ipv6);
  if (wrong == NULL) return 0;
  ik_detail(detail, "has %s", wrong);
  return IK_EURL;
}

static int read_url(struct ik_str url, struct ik_proxy *out, char *detail) {
  if (url.len > IK_URL_MAX) {
    ik_detail(detail, "is longer than %zu bytes", IK_URL_MAX);
    return IK_ETOO_LONG;
  }
  struct ik_str rest = ik_str_trim(url);
  int rc = take_scheme(&rest, detail);
  if (rc != 0) return rc;
  struct ik_str authority = cut_before(&rest, "/?#");
  /* A '/' or '#' of a password that should have been %-encoded ends up here, too. */
  if (rest.len > 1 || (rest.len == 1 && rest.ptr[0] != '/')) {
    ik_detail(detail, "has something behind host and port");
    return IK_EURL;
  }
  return read_authority(authority, out, detail);
}

static int parse_named(const char *name, struct ik_str url, struct ik_proxy *out, char *detail) {
  char reason[IOTKIT_DETAIL_MAX] = "is out of memory";
  *out = (struct ik_proxy){.port = DEFAULT_PORT};
  int rc = read_url(url, out, reason);
  if (rc == 0) return 0;
  ik_wipe(out, sizeof *out);
  ik_detail(detail, "%s %.200s", name, reason);
  return rc;
}

int ik_proxy_parse(struct ik_str url, struct ik_proxy *out, char *detail) {
  return parse_named("the proxy", url, out, detail);
}

/* ---- where it comes from ---- */

static void free_secret(char *text) {
  if (text == NULL) return;
  ik_wipe(text, strlen(text));
  free(text);
}

/* The first of the variables that is set and not empty; *name says which. */
static int first_of(const char *const *names, size_t count, char **out, const char **name) {
  *out = NULL;
  for (size_t i = 0; i < count; i++) {
    int rc = ik_port_environment(names[i], out);
    if (rc != 0) return rc;
    *name = names[i];
    if (*out != NULL && (*out)[0] != '\0') return 0;
    free(*out);
    *out = NULL;
  }
  return 0;
}

static int from_environment(struct ik_proxies *out) {
  static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
  static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  int rc =
      first_of(http, sizeof http / sizeof http[0], &out->urls[FOR_HTTP], &out->sources[FOR_HTTP]);
  if (rc != 0) return rc;
  return first_of(https, sizeof https / sizeof https[0], &out->urls[FOR_HTTPS],
                  &out->sources[FOR_HTTPS]);
}

static int from_option(struct ik_proxies *out, int which, const char *url, char *detail) {
  struct ik_proxy proxy;
  if (url == NULL || url[0] == '\0') return 0;
  int rc = ik_proxy_parse(ik_str(url), &proxy, detail);
  ik_wipe(&proxy, sizeof proxy);
  if (rc != 0) return rc;
  out->sources[which] = "the proxy";
  out->urls[which] = ik_str_dup(ik_str(url));
  return out->urls[which] == NULL ? IK_ENO_MEMORY : 0;
}

static int take_no_proxy(struct ik_proxies *out, const char *no_proxy, char *detail) {
  static const char *const names[] = {"no_proxy", "NO_PROXY"};
  const char *name = "the list of hosts without proxy";
  if (no_proxy == NULL) {
    int rc = first_of(names, sizeof names / sizeof names[0], &out->no_proxy, &name);
    if (rc != 0) return rc;
  } else {
    out->no_proxy = ik_str_dup(ik_str(no_proxy));
    if (out->no_proxy == NULL) return IK_ENO_MEMORY;
  }
  if (out->no_proxy == NULL || strlen(out->no_proxy) <= IK_HOST_LIST_MAX) return 0;
  ik_detail(detail, "%s is longer than %zu bytes", name, IK_HOST_LIST_MAX);
  return IK_ETOO_LONG;
}

int ik_proxies_init(struct ik_proxies *out, const char *proxy, const char *https_proxy,
                    const char *no_proxy, char *detail) {
  struct ik_proxies proxies = {0};
  int rc;
  *out = proxies;
  if (proxy == NULL && https_proxy == NULL) {
    rc = from_environment(&proxies);
  } else {
    rc = from_option(&proxies, FOR_HTTP, proxy, detail);
    if (rc == 0) {
      rc = from_option(&proxies, FOR_HTTPS, https_proxy == NULL ? proxy : https_proxy, detail);
    }
  }
  bool any = proxies.urls[FOR_HTTP] != NULL || proxies.urls[FOR_HTTPS] != NULL;
  if (rc == 0 && any) rc = take_no_proxy(&proxies, no_proxy, detail);
  if (rc != 0) {
    ik_proxies_free(&proxies);
    return rc;
  }
  *out = proxies;
  return 0;
}

void ik_proxies_free(struct ik_proxies *proxies) {
  free_secret(proxies->urls[FOR_HTTP]);
  free_secret(proxies->urls[FOR_HTTPS]);
  free(proxies->no_proxy);
  *proxies = (struct ik_proxies){0};
}

int ik_proxies_choose(const struct ik_proxies *proxies, bool https, const char *host, uint16_t port,
                      struct ik_proxy *out, char *detail) {
  int which = https ? FOR_HTTPS : FOR_HTTP;
  const char *url = proxies->urls[which];
  if (url == NULL || ik_hosts_no_proxy(ik_str(proxies->no_proxy), host, port)) return 0;
  int rc = parse_named(proxies->sources[which], ik_str(url), out, detail);
  return rc == 0 ? 1 : rc;
}
