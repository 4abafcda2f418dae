/*
 * url.c - parsing http and https URLs, resolving redirect targets.
 *
 * A text is split without copying (struct parts), then each part is checked and written in its
 * normal form. What comes out parses again to the same URL. On failure nothing is owned.
 */
#include "base/url.h"

#include <string.h>

#include "base/url_host.h"
#include "iotkit_errors.h"

/*
 * RFC 3986 section 5.2: the components of a reference, undefined ones kept apart from empty ones.
 */
struct parts {
  struct ik_str scheme;
  struct ik_str authority;
  struct ik_str path;
  struct ik_str query;
  bool has_scheme;
  bool has_authority;
  bool has_query;
};

static bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_scheme_char(char c) {
  return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

static void skip(struct ik_str *rest, size_t n) {
  rest->ptr += n;
  rest->len -= n;
}

static void split_target(struct ik_str rest, struct parts *parts) {
  parts->path = ik_str_take_before(&rest, "?#");
  if (rest.len > 0 && rest.ptr[0] == '?') {
    parts->has_query = true;
    skip(&rest, 1);
    parts->query = ik_str_take_before(&rest, "#");
  }
}

static struct parts split(struct ik_str rest) {
  struct parts parts = {0};
  size_t n = 0;
  while (n < rest.len && is_scheme_char(rest.ptr[n]))
    n++;
  if (n > 0 && n < rest.len && rest.ptr[n] == ':' && is_alpha(rest.ptr[0])) {
    parts.has_scheme = true;
    parts.scheme = (struct ik_str){rest.ptr, n};
    skip(&rest, n + 1);
  }
  if (rest.len >= 2 && rest.ptr[0] == '/' && rest.ptr[1] == '/') {
    parts.has_authority = true;
    skip(&rest, 2);
    parts.authority = ik_str_take_before(&rest, "/?#");
  }
  split_target(rest, &parts);
  return parts;
}

/*
 * Length and characters, before anything is looked at. Spaces around a URL were never part of it.
 */
static int check_text(struct ik_str *text, char *detail) {
  if (text->len == 0) text->ptr = "";
  if (text->len > IK_URL_MAX) {
    return ik_refuse(detail, IK_ETOO_LONG, "URL of %zu bytes, the limit is %zu", text->len,
                     IK_URL_MAX);
  }
  for (size_t i = 0; i < text->len; i++) {
    unsigned char c = (unsigned char)text->ptr[i];
    if (c < 0x20 || c == 0x7f) {
      return ik_refuse(detail, IK_EURL, "URL with a control character at byte %zu", i);
    }
  }
  *text = ik_str_trim(*text);
  return 0;
}

static int check_scheme(const struct parts *parts, bool *https, char *detail) {
  struct ik_str scheme = parts->scheme;
  if (!parts->has_scheme) return ik_refuse(detail, IK_EURL, "URL without a scheme");
  *https = ik_str_eq_nocase(scheme, IK_STR("https"));
  if (*https || ik_str_eq_nocase(scheme, IK_STR("http"))) return 0;
  return ik_refuse(detail, IK_EURL_SCHEME, "URL with the scheme \"%.*s\"",
                   (int)(scheme.len < 32 ? scheme.len : 32), scheme.ptr);
}

/*
 * Splits ":port" off the authority. Nothing after the colon means the default, as RFC 3986 has it.
 */
static const char *take_port(struct ik_str *host, uint16_t *port) {
  size_t at = host->len;
  uint64_t value;
  while (at > 0 && host->ptr[at - 1] >= '0' && host->ptr[at - 1] <= '9')
    at--;
  if (at == 0 || host->ptr[at - 1] != ':') {
    const char *colon = memchr(host->ptr, ':', host->len);
    return colon && host->ptr[0] != '[' ? "malformed port" : NULL;
  }
  if (at < host->len) {
    struct ik_str digits = {host->ptr + at, host->len - at};
    if (!ik_str_u64(digits, &value) || value == 0 || value > UINT16_MAX) return "port out of range";
    *port = (uint16_t)value;
  }
  host->len = at - 1;
  return NULL;
}

static int read_authority(struct ik_str text, struct ik_url *out, char *detail) {
  struct ik_str host = text;
  struct ik_host_form form = {false, false};
  const char *wrong = NULL;
  out->port = out->https ? 443 : 80;
  /*
   * Some programs take '\' for '/', others for part of the name: whoever checked this URL may have
   * seen another host.
   */
  if (text.len > 0 && memchr(text.ptr, '\\', text.len)) wrong = "'\\' in the host";
  /*
   * Credentials would end up in logs and redirects; and "name@" is how one host is dressed up as
   * another.
   */
  if (!wrong && text.len > 0 && memchr(text.ptr, '@', text.len)) wrong = "user name or password";
  /* The colons inside "[::1]" are no port's. */
  if (!wrong && !(text.len > 0 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')) {
    wrong = take_port(&host, &out->port);
  }
  if (!wrong) wrong = ik_url_host(host, out->host, &form);
  out->host_is_ipv6 = form.is_ipv6;
  out->host_is_rooted = form.is_rooted;
  if (!wrong) return 0;
  return ik_refuse(detail, IK_EURL, "URL with %s", wrong);
}

static int write_authority(const struct ik_url *url, struct ik_buf *out) {
  bool standard = url->port == (url->https ? 443 : 80);
  int rc = ik_buf_printf(out, url->host_is_ipv6 ? "[%s]" : "%s", url->host);
  if (rc == 0 && !standard) rc = ik_buf_printf(out, ":%u", (unsigned)url->port);
  return rc;
}

/*
 * What RFC 3986 allows nowhere in a path or query, and is sent %-encoded; "[" and "]" go through,
 * as everywhere.
 */
static bool must_encode(unsigned char c) {
  return c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}", c);
}

static int write_encoded(struct ik_str text, struct ik_buf *out) {
  static const char digits[] = "0123456789ABCDEF";
  size_t from = 0;
  int rc = 0;
  for (size_t i = 0; rc == 0 && i <= text.len; i++) {
    unsigned char c = i < text.len ? (unsigned char)text.ptr[i] : 0;
    if (i < text.len && !must_encode(c)) continue;
    if (i > from) rc = ik_buf_append(out, text.ptr + from, i - from);
    if (rc == 0 && i < text.len) {
      char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
      rc = ik_buf_append(out, escape, sizeof escape);
    }
    from = i + 1;
  }
  return rc;
}

/* RFC 3986 section 5.2.4 on a path that begins with '/'; in place, returns the new length. */
static size_t remove_dot_segments(char *path, size_t len) {
  size_t from = 0;
  size_t to = 0;
  while (from < len) {
    size_t next = from + 1;
    size_t segment;
    while (next < len && path[next] != '/')
      next++;
    segment = next - from - 1; /* without the leading '/' */
    if (segment == 1 && path[from + 1] == '.') {
      if (next == len) path[to++] = '/';
    } else if (segment == 2 && path[from + 1] == '.' && path[from + 2] == '.') {
      while (to > 0 && path[--to] != '/') {}
      if (next == len) path[to++] = '/';
    } else {
      memmove(path + to, path + from, segment + 1);
      to += segment + 1;
    }
    from = next;
  }
  return to;
}

static int write_target(const struct parts *parts, struct ik_buf *out) {
  int rc = 0;
  if (parts->path.len == 0) rc = ik_buf_append_u8(out, '/');
  if (rc == 0) rc = write_encoded(parts->path, out);
  if (rc < 0) return rc;
  out->len = remove_dot_segments((char *)out->data, out->len);
  if (parts->has_query) {
    rc = ik_buf_append_u8(out, '?');
    if (rc == 0) rc = write_encoded(parts->query, out);
  }
  return rc;
}

static char *take_text(struct ik_buf *buf) {
  return ik_str_dup((struct ik_str){(const char *)ik_buf_ptr(buf), ik_buf_size(buf)});
}

static int write_url(const struct parts *parts, struct ik_url *out) {
  struct ik_buf buf;
  int rc;
  ik_buf_init(&buf, IK_URL_MAX);
  rc = write_authority(out, &buf);
  if (rc < 0) goto out;
  out->authority = take_text(&buf);
  ik_buf_clear(&buf);
  rc = write_target(parts, &buf);
  if (rc < 0) goto out;
  out->target = take_text(&buf);
  if (!out->authority || !out->target) rc = IK_ENO_MEMORY;
  /* Encoding makes a text longer; what is accepted must parse again. */
  if (rc == 0 && strlen("https://") + strlen(out->authority) + strlen(out->target) > IK_URL_MAX) {
    rc = IK_ETOO_LONG;
  }
out:
  ik_buf_free(&buf);
  return rc;
}

int ik_url_parse(struct ik_str text, struct ik_url *out, char *detail) {
  struct ik_url url = {0};
  struct parts parts;
  int rc;

  *out = url;
  rc = check_text(&text, detail);
  if (rc < 0) return rc;
  parts = split(text);
  rc = check_scheme(&parts, &url.https, detail);
  if (rc < 0) return rc;
  if (!parts.has_authority) return ik_refuse(detail, IK_EURL, "URL with no host");
  rc = read_authority(parts.authority, &url, detail);
  if (rc < 0) return rc;
  rc = write_url(&parts, &url);
  if (rc < 0) {
    ik_detail(detail,
              rc == IK_ETOO_LONG ? "URL longer than %zu bytes once encoded"
                                 : "out of memory (URL of up to %zu bytes)",
              IK_URL_MAX);
    ik_url_free(&url);
    return rc;
  }
  *out = url;
  return 0;
}

static int append(struct ik_buf *buf, struct ik_str text) {
  return ik_buf_append(buf, text.ptr, text.len);
}

/* Up to the last '/' of the base's path (RFC 3986 section 5.2.3). */
static struct ik_str directory_of(struct ik_str path) {
  while (path.len > 0 && path.ptr[path.len - 1] != '/')
    path.len--;
  return path;
}

/* The target URL as text; RFC 3986 section 5.2.2 for a reference without a scheme. */
static int compose(const struct ik_url *base, const struct parts *ref, struct ik_buf *out) {
  struct parts old = {0};
  struct ik_str authority = ref->has_authority ? ref->authority : ik_str(base->authority);
  bool keep_path = !ref->has_authority && ref->path.len == 0;
  bool keep_query = keep_path && !ref->has_query;
  bool merge = !ref->has_authority && ref->path.len > 0 && ref->path.ptr[0] != '/';
  int rc = ik_buf_append_str(out, base->https ? "https://" : "http://");
  split_target(ik_str(base->target), &old); /* not split(): a path may begin with "//" */
  if (rc == 0) rc = append(out, authority);
  if (rc == 0 && merge) rc = append(out, directory_of(old.path));
  if (rc == 0) rc = append(out, keep_path ? old.path : ref->path);
  if (rc == 0 && (keep_query ? old.has_query : ref->has_query)) rc = ik_buf_append_u8(out, '?');
  if (rc == 0) rc = append(out, keep_query ? old.query : ref->query);
  return rc;
}

static bool is_slash(char c) {
  return c == '/' || c == '\\';
}

/* Browsers read "//" here, and another host after it; RFC 3986 reads a path. */
static bool has_two_meanings(struct ik_str reference) {
  return reference.len >= 2 && is_slash(reference.ptr[0]) && is_slash(reference.ptr[1]) &&
         memchr(reference.ptr, '\\', 2) != NULL;
}

int ik_url_resolve(const struct ik_url *base, struct ik_str reference, struct ik_url *out,
                   char *detail) {
  struct parts parts;
  struct ik_buf text;
  int rc;

  *out = (struct ik_url){0};
  rc = check_text(&reference, detail);
  if (rc < 0) return rc;
  if (has_two_meanings(reference)) {
    return ik_refuse(detail, IK_EURL, "URL that begins with slashes of which one is '\\'");
  }
  parts = split(reference);
  if (parts.has_scheme) return ik_url_parse(reference, out, detail);

  ik_buf_init(&text, IK_URL_MAX);
  rc = compose(base, &parts, &text);
  if (rc == 0) {
    struct ik_str whole = {(const char *)ik_buf_ptr(&text), ik_buf_size(&text)};
    rc = ik_url_parse(whole, out, detail);
    if (rc == 0 && !parts.has_authority) out->host_is_rooted = base->host_is_rooted;
  } else {
    ik_detail(detail,
              rc == IK_ETOO_LONG ? "redirect target longer than %zu bytes"
                                 : "out of memory (redirect target of up to %zu bytes)",
              IK_URL_MAX);
  }
  ik_buf_free(&text);
  return rc;
}

void ik_url_free(struct ik_url *url) {
  ik_str_free(url->authority);
  ik_str_free(url->target);
  *url = (struct ik_url){0};
}
