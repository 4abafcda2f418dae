/*
 * request.h - the GET request of a download.
 */
#ifndef IK_HTTP_REQUEST_H
#define IK_HTTP_REQUEST_H

#include "base/buf.h"
#include "base/url.h"

struct ik_http_request {
  const struct ik_url *url;
  const char *user_agent;
  uint64_t offset;        /* > 0: only the bytes from here on are asked for */
  struct ik_str if_range; /* with offset: a strong entity tag with its quotes, or empty */
  uint64_t end;           /* > 0: only the bytes before this one */
  struct ik_str fields;   /* more header fields, each with its line end; checked before */
  /* To a proxy: the target is the whole URL. */
  bool absolute_form;
  struct ik_str proxy_authorization; /* or empty */
};

/*
 * Whether a text is header fields that a user may add: "Name: value" lines, each ended by CRLF, and
 * none that the engine writes itself (Host, Range, If-Range, Connection, Accept-Encoding,
 * Content-Length, Transfer-Encoding, Expect, Upgrade, TE, Trailer, Proxy-*). `detail` names the
 * field, never its value.
 */
bool ik_http_fields_valid(struct ik_str fields, char *detail);

/*
 * Appends the request to `out`. The buffer's errors; IK_EINVALID_ARGUMENT when a text would break
 * the line.
 */
int ik_http_request_write(const struct ik_http_request *request, struct ik_buf *out);

#endif
