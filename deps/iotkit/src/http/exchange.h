/*
 * exchange.h - one response to a GET, from its first byte to the end of its body: head, framing,
 * body decoding.
 *
 * What lives in http/: HTTP/1.1 as a client that downloads needs it: the request, the response
 * head, the chunked coding, ranges, and the exchange over all of them. It may include base/; like
 * it, it has no I/O, no clock and no lock.
 *
 * The owner reads from the connection into a buffer of its own and pushes what came; body bytes are
 * left at the front of that same buffer (in place; an identity body is moved only when the head
 * stood before it). No I/O, no clock.
 */
#ifndef IK_HTTP_EXCHANGE_H
#define IK_HTTP_EXCHANGE_H

#include "http/chunked.h"
#include "http/head.h"

enum ik_http_phase {
  IK_HTTP_HEAD, /* the head is not complete         → BODY */
  IK_HTTP_BODY, /* the head can be looked at        → END  */
  IK_HTTP_END   /* the body was received to its end → HEAD by reset */
};

struct ik_http_exchange {
  enum ik_http_phase phase;
  enum ik_http_framing framing;
  uint64_t length;   /* of the body, with IK_HTTP_LENGTH; else 0 */
  uint64_t received; /* body bytes so far */
  uint32_t interim;  /* 1xx heads that were skipped */
  struct ik_http_head head;
  struct ik_chunked chunked;
};

void ik_http_exchange_init(struct ik_http_exchange *exchange);
void ik_http_exchange_free(struct ik_http_exchange *exchange);
/* Makes ready for the next response on the same or another connection. */
void ik_http_exchange_reset(struct ik_http_exchange *exchange);

/*
 * Takes in `len` bytes that came from the connection, at `data`. In phase HEAD it stops after the
 * head (phase is BODY or END then) without decoding body bytes, so that the owner can judge the
 * head first; it pushes the rest again. Body bytes are moved to data[0, *body_len); *used ≤ len
 * bytes were taken; what follows END does not belong to this response. 0, or
 * IK_EHTTP_PROTOCOL, IK_EHTTP_HEAD_TOO_LARGE, IK_EHTTP_ENCODING, IK_ENO_MEMORY: the connection is
 * no longer usable.
 */
int ik_http_exchange_push(struct ik_http_exchange *exchange, uint8_t *data, size_t len,
                          size_t *body_len, size_t *used, char *detail);
/*
 * The peer ended the connection. 0: that ended the body as it may; IK_ECONNECTION_CLOSED in the
 * head, IK_ETRUNCATED in the body.
 */
int ik_http_exchange_eof(struct ik_http_exchange *exchange, char *detail);
/* Whether the connection can carry the next request. */
bool ik_http_exchange_reusable(const struct ik_http_exchange *exchange);

#endif
