/*
 * range.h - what a client of ranges reads from a head: Content-Range, entity tags, dates,
 * Retry-After.
 */
#ifndef IK_HTTP_RANGE_H
#define IK_HTTP_RANGE_H

#include "base/buf.h"

#define IK_HTTP_TOTAL_UNKNOWN UINT64_MAX

struct ik_http_content_range {
  uint64_t first;
  uint64_t last;  /* inclusive; ≥ first */
  uint64_t total; /* > last; IK_HTTP_TOTAL_UNKNOWN for "*" */
};

/* "bytes 5-9/10", or an asterisk for the total; false: malformed, another unit, unsatisfied. */
bool ik_http_content_range(struct ik_str value, struct ik_http_content_range *out);

/*
 * A well-formed entity tag that may go into If-Range: strong, with its quotes (RFC 9110 section
 * 13.1.5).
 */
bool ik_http_etag_is_strong(struct ik_str value);

/* Seconds since 1970 of an HTTP date in any of its three forms (RFC 9110 section 5.6.7). */
bool ik_http_date(struct ik_str value, uint64_t *seconds);

/*
 * Milliseconds to wait: seconds, or a date relative to `wall_ms` (0 when it is past). False:
 * malformed.
 */
bool ik_http_retry_after(struct ik_str value, uint64_t wall_ms, uint64_t *wait_ms);

#endif
