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
  uint64_t offset; /* only the bytes from here on are asked for */
  uint64_t end;    /* > 0: only the bytes before this one */
  /* With a range: a strong entity tag with its quotes, or empty. */
  struct ik_str if_range;
  /*
   * More header fields, each with its line end; ik_http_fields_valid(). A User-Agent or Accept
   * among them takes the place of the usual one.
   */
  struct ik_str fields;
  /* To a proxy: the target is the whole URL. */
  bool absolute_form;
  struct ik_str proxy_authorization; /* or empty */
};

/*
 * Whether a text is header fields that a user may add: "Name: value" lines, each ended by CRLF, at
 * most IK_HTTP_FIELDS_MAX bytes, and none that the engine decides: Host, ranges and conditions
 * (Range, If-*), framing and the connection (Connection, Keep-Alive, Close, Content-Length,
 * Transfer-Encoding, TE, Trailer, Expect, Upgrade, HTTP2-Settings), Accept-Encoding, Proxy-*.
 * `detail` names the field, never its value.
 */
bool ik_http_fields_valid(struct ik_str fields, char *detail);

/*
 * Appends the request to `out`. The buffer's errors; IK_EINVALID_ARGUMENT when a text would break
 * its line, the fields are not valid or the range is empty.
 */
int ik_http_request_write(const struct ik_http_request *request, struct ik_buf *out);

#endif
