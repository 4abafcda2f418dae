/*
 * proxy.c - proxy URLs and where they come from.
 *
 * Texts are copied once and wiped before they are freed, because they may hold a password. A parsed
 * proxy owns nothing; its holder wipes it.
 */
#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/hosts.h"
#include "base/url_host.h"

#define DEFAULT_PORT 80
#define CREDENTIAL_MAX 255

enum { FOR_HTTP = 0, FOR_HTTPS = 1 };

/* What a proxy is called that is none of the environment's; compared by address. */
static const char option_name[] = "the proxy";

/* ---- one URL ---- */

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
    return ik_refuse(detail, IK_EUNSUPPORTED, "is a proxy over %s; only http:// ones are supported",
                     known[i]);
  }
  return ik_refuse(detail, IK_EUNSUPPORTED, "has a scheme that is not http");
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

/* Appends the decoded text; what RFC 7617 lets no user or password have is refused. */
static int decode(struct ik_str text, char stop, uint8_t *out, size_t *len, char *detail) {
  size_t end = *len + CREDENTIAL_MAX;
  for (size_t i = 0; i < text.len; i++) {
    unsigned c = (unsigned char)text.ptr[i];
    if (c == '%') {
      int high = text.len - i > 2 ? ik_hex_value(text.ptr[i + 1]) : -1;
      int low = text.len - i > 2 ? ik_hex_value(text.ptr[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return ik_refuse(detail, IK_EURL,
                         "has a '%%' in user or password that two hex digits do not follow");
      }
      c = (unsigned)high << 4 | (unsigned)low;
      i += 2;
    }
    if (c < 0x20 || c == 0x7f || c == (unsigned char)stop) {
      return ik_refuse(detail, IK_EURL, "has a character in user or password that none can have");
    }
    if (*len == end) {
      return ik_refuse(detail, IK_ETOO_LONG, "has a user or password longer than %d bytes",
                       CREDENTIAL_MAX);
    }
    out[(*len)++] = (uint8_t)c;
  }
  return 0;
}

/* "user:password" as the value of Proxy-Authorization (RFC 7617). */
static int write_authorization(struct ik_str info, struct ik_proxy *out, char *detail) {
  uint8_t decoded[2 * CREDENTIAL_MAX + 1];
  size_t len = 0;
  struct ik_buf text;
  struct ik_str user = ik_str_take_before(&info, ":");
  if (user.len == 0 && info.len == 0) return 0;
  ik_buf_init(&text, sizeof out->authorization - 1);
  int rc = decode(user, ':', decoded, &len, detail);
  if (rc != 0) goto out;
  decoded[len++] = ':';
  if (info.len > 0) info = (struct ik_str){info.ptr + 1, info.len - 1};
  rc = decode(info, '\0', decoded, &len, detail);
  if (rc == 0) rc = ik_buf_append_str(&text, "Basic ");
  if (rc == 0) rc = ik_base64_encode(decoded, len, &text);
  if (rc == 0) memcpy(out->authorization, ik_buf_ptr(&text), ik_buf_size(&text));
out:
  ik_wipe(decoded, sizeof decoded);
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
  struct ik_host_form form;
  int rc = 0;
  for (size_t i = text.len; i > 0; i--) {
    if (text.ptr[i - 1] != '@') continue;
    host = (struct ik_str){text.ptr + i, text.len - i};
    rc = write_authorization((struct ik_str){text.ptr, i - 1}, out, detail);
    break;
  }
  if (rc != 0) return rc;
  const char *wrong = take_port(&host, &out->port);
  if (wrong == NULL) wrong = ik_url_host(host, out->host, &form);
  if (wrong == NULL && form.is_rooted) ik_url_host_add_dot(out->host);
  if (wrong == NULL) return 0;
  return ik_refuse(detail, IK_EURL, "has %s", wrong);
}

/*
 * What stands after host and port is refused, or not looked at where other programs do not either;
 * but with an '@' it is the rest of a password whose '/' or '#' should have been %-encoded.
 */
static int check_rest(struct ik_str rest, bool is_variable, char *detail) {
  bool is_ignored = is_variable && (rest.len == 0 || memchr(rest.ptr, '@', rest.len) == NULL);
  if (is_ignored || rest.len == 0 || (rest.len == 1 && rest.ptr[0] == '/')) return 0;
  return ik_refuse(detail, IK_EURL, "has something behind host and port");
}

static int read_url(struct ik_str url, bool is_variable, struct ik_proxy *out, char *detail) {
  if (url.len > IK_URL_MAX) {
    return ik_refuse(detail, IK_ETOO_LONG, "is longer than %zu bytes", IK_URL_MAX);
  }
  struct ik_str rest = ik_str_trim(url);
  int rc = take_scheme(&rest, detail);
  if (rc != 0) return rc;
  struct ik_str authority = ik_str_take_before(&rest, "/?#");
  rc = check_rest(rest, is_variable, detail);
  return rc == 0 ? read_authority(authority, out, detail) : rc;
}

/* `name` is option_name, or the variable's. */
static int parse_named(const char *name, struct ik_str url, struct ik_proxy *out, char *detail) {
  char reason[IOTKIT_DETAIL_MAX] = "is out of memory";
  *out = (struct ik_proxy){.port = DEFAULT_PORT};
  int rc = read_url(url, name != option_name, out, reason);
  if (rc == 0) return 0;
  ik_wipe(out, sizeof *out);
  ik_detail(detail, "%s %.200s", name, reason);
  return rc;
}

int ik_proxy_parse(struct ik_str url, struct ik_proxy *out, char *detail) {
  return parse_named(option_name, url, out, detail);
}

/* ---- where it comes from ---- */

static const char *const http_names[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
static const char *const https_names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                          NULL};
static const char *const no_proxy_names[] = {"no_proxy", "NO_PROXY", NULL};

static bool is_blank_or_break(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks around a variable's value are left over from how it was set. */
static struct ik_str trim_blanks(struct ik_str text) {
  while (text.len > 0 && is_blank_or_break(text.ptr[text.len - 1]))
    text.len--;
  for (; text.len > 0 && is_blank_or_break(text.ptr[0]); text.len--)
    text.ptr++;
  return text;
}

/* NULL where nothing is left of it. */
static int copy_value(struct ik_str text, char **out) {
  text = trim_blanks(text);
  *out = NULL;
  if (text.len == 0) return 0;
  *out = ik_str_dup(text);
  return *out == NULL ? IK_ENO_MEMORY : 0;
}

/* The first of the variables that is set and not empty; *name says which. */
static int first_of(const char *const *names, char **out, const char **name) {
  *out = NULL;
  for (; *names != NULL && *out == NULL; names++) {
    char *value = NULL;
    int rc = ik_port_environment(*names, &value);
    if (rc == 0 && value != NULL) rc = copy_value(ik_str(value), out);
    ik_str_free(value);
    if (rc != 0) return rc;
    *name = *names;
  }
  return 0;
}

/* The variable that an option brings as "NAME=value". NULL: it brings none. */
static const char *variable_of(const char *option, const char *const *names, const char **value) {
  for (; *names != NULL; names++) {
    size_t len = strlen(*names);
    if (strncmp(option, *names, len) != 0 || option[len] != '=') continue;
    *value = option + len + 1;
    return *names;
  }
  return NULL;
}

static int from_option(struct ik_proxies *out, int which, const char *url, char *detail) {
  struct ik_proxy proxy;
  const char *value = url;
  if (url == NULL || url[0] == '\0') return 0;
  const char *name = variable_of(url, which == FOR_HTTP ? http_names : https_names, &value);
  if (name == NULL) {
    int rc = ik_proxy_parse(ik_str(url), &proxy, detail);
    ik_wipe(&proxy, sizeof proxy);
    if (rc != 0) return rc;
    name = option_name;
  }
  out->sources[which] = name;
  return copy_value(ik_str(value), &out->urls[which]);
}

static int check_no_proxy(const struct ik_proxies *proxies, char *detail) {
  if (proxies->no_proxy == NULL || strlen(proxies->no_proxy) <= IK_HOST_LIST_MAX) return 0;
  return ik_refuse(detail, IK_ETOO_LONG, "%s is longer than %zu bytes", proxies->no_proxy_source,
                   IK_HOST_LIST_MAX);
}

static int take_no_proxy(struct ik_proxies *out, const char *no_proxy, char *detail) {
  const char *value = no_proxy;
  if (no_proxy == NULL) return first_of(no_proxy_names, &out->no_proxy, &out->no_proxy_source);
  const char *name = variable_of(no_proxy, no_proxy_names, &value);
  out->no_proxy_source = name != NULL ? name : "the list of hosts without proxy";
  int rc = copy_value(ik_str(value), &out->no_proxy);
  return rc == 0 && name == NULL ? check_no_proxy(out, detail) : rc;
}

static int take_proxies(struct ik_proxies *out, const char *proxy, const char *https_proxy,
                        char *detail) {
  if (proxy == NULL && https_proxy == NULL) {
    int rc = first_of(http_names, &out->urls[FOR_HTTP], &out->sources[FOR_HTTP]);
    if (rc != 0) return rc;
    return first_of(https_names, &out->urls[FOR_HTTPS], &out->sources[FOR_HTTPS]);
  }
  int rc = from_option(out, FOR_HTTP, proxy, detail);
  if (rc != 0) return rc;
  return from_option(out, FOR_HTTPS, https_proxy == NULL ? proxy : https_proxy, detail);
}

int ik_proxies_init(struct ik_proxies *out, const char *proxy, const char *https_proxy,
                    const char *no_proxy, char *detail) {
  struct ik_proxies proxies = {0};
  *out = proxies;
  int rc = take_proxies(&proxies, proxy, https_proxy, detail);
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
  ik_str_free(proxies->urls[FOR_HTTP]);
  ik_str_free(proxies->urls[FOR_HTTPS]);
  ik_str_free(proxies->no_proxy);
  *proxies = (struct ik_proxies){0};
}

int ik_proxies_choose(const struct ik_proxies *proxies, bool https, const char *host, uint16_t port,
                      struct ik_proxy *out, char *detail) {
  int which = https ? FOR_HTTPS : FOR_HTTP;
  const char *url = proxies->urls[which];
  if (url == NULL) return 0;
  int rc = check_no_proxy(proxies, detail);
  if (rc != 0) return rc;
  if (ik_hosts_no_proxy(ik_str(proxies->no_proxy), host, port)) return 0;
  rc = parse_named(proxies->sources[which], ik_str(url), out, detail);
  return rc == 0 ? 1 : rc;
}
