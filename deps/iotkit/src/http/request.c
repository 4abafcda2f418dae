/*
 * request.c - composes the request; nothing is owned here.
 */
#include "http/request.h"

#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "http/text.h"
#include "iotkit_errors.h"

#define NAME_SHOWN_MAX 64

/* ---- fields of the user ---- */

/* Takes the next line off *rest, without its CRLF. False: there is none, or no CRLF ends it. */
static bool take_line(struct ik_str *rest, struct ik_str *line) {
  size_t at = 0;
  while (at + 1 < rest->len && memcmp(rest->ptr + at, "\r\n", 2) != 0)
    at++;
  if (at + 1 >= rest->len) return false;
  *line = (struct ik_str){rest->ptr, at};
  rest->ptr += at + 2;
  rest->len -= at + 2;
  return true;
}

/* Also without a colon; such a line is no field, since its name is then as long as the line. */
static struct ik_str name_of(struct ik_str line) {
  const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
  return (struct ik_str){line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : line.len};
}

static bool has_field(struct ik_str fields, const char *name) {
  struct ik_str line;
  while (take_line(&fields, &line)) {
    if (ik_str_eq_nocase(name_of(line), ik_str(name))) return true;
  }
  return false;
}

static bool starts_with(struct ik_str s, const char *prefix) {
  struct ik_str wanted = ik_str(prefix);
  return s.len >= wanted.len && ik_str_eq_nocase((struct ik_str){s.ptr, wanted.len}, wanted);
}

/* What says where a message ends, which bytes it is about or who is asked is the engine's. */
static bool is_own_field(struct ik_str name) {
  static const char *const own[] = {
      "Host",   "Range",          "Accept-Encoding",   "Connection", "Keep-Alive",
      "Close",  "Content-Length", "Transfer-Encoding", "TE",         "Trailer",
      "Expect", "Upgrade",        "HTTP2-Settings",
  };
  if (starts_with(name, "If-") || starts_with(name, "Proxy-")) return true;
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
    if (ik_str_eq_nocase(name, ik_str(own[i]))) return true;
  }
  return false;
}

static bool is_field(struct ik_str line, size_t number, char *detail) {
  struct ik_str name = name_of(line);
  int name_len = (int)(name.len < NAME_SHOWN_MAX ? name.len : NAME_SHOWN_MAX);
  /* A malformed name is not printed: it may be a value that lost its name. */
  if (name.len == line.len || !ik_http_is_token(name)) {
    ik_detail(detail, "header field %zu has no valid name", number);
    return false;
  }
  if (is_own_field(name)) {
    ik_detail(detail, "the header field %.*s cannot be set", name_len, name.ptr);
    return false;
  }
  if (!ik_http_is_text(name.ptr + name.len, line.len - name.len)) {
    ik_detail(detail, "the header field %.*s has a control character", name_len, name.ptr);
    return false;
  }
  return true;
}

bool ik_http_fields_valid(struct ik_str fields, char *detail) {
  struct ik_str line;
  size_t number = 0;
  if (fields.len > IK_HTTP_FIELDS_MAX) {
    ik_detail(detail, "the header fields are longer than %zu bytes", IK_HTTP_FIELDS_MAX);
    return false;
  }
  while (fields.len > 0) {
    number++;
    if (!take_line(&fields, &line)) {
      ik_detail(detail, "header field %zu does not end with CRLF", number);
      return false;
    }
    if (!is_field(line, number, detail)) return false;
  }
  return true;
}

/* ---- the request ---- */

static int write_line(const struct ik_http_request *request, struct ik_buf *out) {
  const struct ik_url *url = request->url;
  int rc = ik_buf_append_str(out, "GET ");
  if (rc == 0 && request->absolute_form) {
    rc = ik_buf_printf(out, "http%s://%s", url->https ? "s" : "", url->authority);
  }
  if (rc == 0) rc = ik_buf_append_str(out, url->target);
  if (rc == 0) rc = ik_buf_append_str(out, " HTTP/1.1\r\n");
  return rc;
}

/* `name` ends with ": ". */
static int write_field(struct ik_buf *out, const char *name, struct ik_str value) {
  int rc = ik_buf_append_str(out, name);
  if (rc == 0) rc = ik_buf_append(out, value.ptr, value.len);
  if (rc == 0) rc = ik_buf_append_str(out, "\r\n");
  return rc;
}

/* Those for which the user's own, if there is one, is taken. */
static int write_defaults(const struct ik_http_request *request, struct ik_buf *out) {
  int rc = 0;
  if (!has_field(request->fields, "User-Agent")) {
    rc = write_field(out, "User-Agent: ", ik_str(request->user_agent));
  }
  if (rc == 0 && !has_field(request->fields, "Accept")) {
    rc = ik_buf_append_str(out, "Accept: */*\r\n");
  }
  return rc;
}

static int write_range(const struct ik_http_request *request, struct ik_buf *out) {
  if (request->offset == 0 && request->end == 0) return 0;
  int rc = ik_buf_printf(out, "Range: bytes=%" PRIu64 "-", request->offset);
  if (rc == 0 && request->end > 0) rc = ik_buf_printf(out, "%" PRIu64, request->end - 1);
  if (rc == 0) rc = ik_buf_append_str(out, "\r\n");
  if (rc == 0 && request->if_range.len > 0) rc = write_field(out, "If-Range: ", request->if_range);
  return rc;
}

static bool can_be_written(const struct ik_http_request *request) {
  struct ik_str agent = ik_str(request->user_agent);
  struct ik_str proxy = request->proxy_authorization;
  return ik_http_is_text(request->if_range.ptr, request->if_range.len) &&
         ik_http_is_text(agent.ptr, agent.len) && ik_http_is_text(proxy.ptr, proxy.len) &&
         ik_http_fields_valid(request->fields, NULL) &&
         (request->end == 0 || request->end > request->offset);
}

int ik_http_request_write(const struct ik_http_request *request, struct ik_buf *out) {
  if (!can_be_written(request)) return IK_EINVALID_ARGUMENT;
  int rc = write_line(request, out);
  if (rc == 0) rc = write_field(out, "Host: ", ik_str(request->url->authority));
  if (rc == 0) rc = write_defaults(request, out);
  if (rc == 0) rc = ik_buf_append_str(out, "Accept-Encoding: identity\r\n");
  if (rc == 0) rc = write_range(request, out);
  if (rc == 0 && request->proxy_authorization.len > 0) {
    rc = write_field(out, "Proxy-Authorization: ", request->proxy_authorization);
  }
  if (rc == 0) rc = ik_buf_append(out, request->fields.ptr, request->fields.len);
  if (rc == 0) rc = ik_buf_append_str(out, "Connection: keep-alive\r\n\r\n");
  return rc;
}
