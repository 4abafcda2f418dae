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
};

/*
 * Appends the request to `out`. The buffer's errors; IK_EINVALID_ARGUMENT when a text would break
 * the line.
 */
int ik_http_request_write(const struct ik_http_request *request, struct ik_buf *out);

#endif
