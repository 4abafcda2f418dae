/*
 * request.c - composes the request; nothing is owned here.
 */
#include "http/request.h"

#include <inttypes.h>

#include "http/text.h"
#include "iotkit_errors.h"

int ik_http_request_write(const struct ik_http_request *request, struct ik_buf *out) {
  struct ik_str tag = request->if_range;
  struct ik_str agent = ik_str(request->user_agent);
  if (!ik_http_is_text(tag.ptr, tag.len) || !ik_http_is_text(agent.ptr, agent.len)) {
    return IK_EINVALID_ARGUMENT;
  }
  int rc = ik_buf_printf(out,
                         "GET %s HTTP/1.1\r\n"
                         "Host: %s\r\n"
                         "User-Agent: %s\r\n"
                         "Accept: */*\r\n"
                         "Accept-Encoding: identity\r\n",
                         request->url->target, request->url->authority, request->user_agent);
  if (rc == 0 && request->offset > 0) {
    rc = ik_buf_printf(out, "Range: bytes=%" PRIu64 "-\r\n", request->offset);
    if (rc == 0 && tag.len > 0) {
      rc = ik_buf_printf(out, "If-Range: %.*s\r\n", (int)tag.len, tag.ptr);
    }
  }
  if (rc == 0) rc = ik_buf_append_str(out, "Connection: keep-alive\r\n\r\n");
  return rc;
}
