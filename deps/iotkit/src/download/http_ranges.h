/*
 * http_ranges.h - an image over several connections, range by range; a part of an HTTP source,
 * which owns it. The fetching thread only.
 */
#ifndef IK_DOWNLOAD_HTTP_RANGES_H
#define IK_DOWNLOAD_HTTP_RANGES_H

#include "download/http_connection.h"
#include "download/source.h"

struct ik_http_ranges;

/* Before a request for the image: limits it to the first range if `max` connections are useful. */
void ik_http_ranges_plan(struct ik_transfer *image, uint32_t max);
/* Whether the response to that request is to be followed by ik_http_ranges_new(). */
bool ik_http_ranges_are_planned(const struct ik_transfer *image);
/*
 * After the response: begins if the server honours ranges, and takes over the transport of the
 * image's connection as the first. NULL: it does not, or out of memory: continue with one
 * connection.
 */
struct ik_http_ranges *ik_http_ranges_new(struct ik_http_connection *connection, uint32_t max,
                                          uint64_t now_ms);
void ik_http_ranges_free(struct ik_http_ranges *ranges); /* closes; NULL is allowed */
/* The connections, `*count` of them; they belong to the ranges. */
struct ik_http_connection *ik_http_ranges_all(struct ik_http_ranges *ranges, size_t *count);
/*
 * Advances all connections; the image is in state RANGES. False: nothing could be done, wait.
 * *failed, unless NULL: the transfer of the range that has the next bytes and has failed, so that
 * the image must fall back to one connection.
 */
bool ik_http_ranges_advance(struct ik_http_ranges *ranges, struct ik_transfer *image,
                            struct ik_call *call, const struct ik_transfer **failed);

#endif
