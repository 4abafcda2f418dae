/*
 * exchange.c - the state machine over head.c and chunked.c. Owns the text of the head; body bytes
 * stay in the caller's buffer.
 */
#include "http/exchange.h"

#include <inttypes.h>
#include <string.h>

#include "iotkit_errors.h"

#define INTERIM_MAX 16 /* 1xx answers to one request; more is mischief */

void ik_http_exchange_init(struct ik_http_exchange *exchange) {
  memset(exchange, 0, sizeof(*exchange));
  ik_http_head_init(&exchange->head);
}

void ik_http_exchange_free(struct ik_http_exchange *exchange) {
  ik_http_head_free(&exchange->head);
}

void ik_http_exchange_reset(struct ik_http_exchange *exchange) {
  ik_http_head_reset(&exchange->head);
  ik_chunked_init(&exchange->chunked);
  exchange->phase = IK_HTTP_HEAD;
  exchange->framing = IK_HTTP_NO_BODY;
  exchange->length = 0;
  exchange->received = 0;
  exchange->interim = 0;
}

/* The head is complete: skip it if it is an interim one, else find out how its body ends. */
static int head_done(struct ik_http_exchange *exchange, char *detail) {
  const struct ik_http_head *head = &exchange->head;
  if (head->status == 101) {
    return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the server switched protocols unasked");
  }
  int rc = ik_http_head_framing(head, &exchange->framing, &exchange->length, detail);
  if (rc != 0) return rc;
  if (head->status < 200) {
    if (++exchange->interim > INTERIM_MAX) {
      return ik_refuse(detail, IK_EHTTP_PROTOCOL, "the server sent more than %d interim answers",
                       INTERIM_MAX);
    }
    ik_http_head_reset(&exchange->head);
    return 0;
  }
  bool empty = exchange->framing == IK_HTTP_NO_BODY ||
               (exchange->framing == IK_HTTP_LENGTH && exchange->length == 0);
  exchange->phase = empty ? IK_HTTP_END : IK_HTTP_BODY;
  return 0;
}

static int push_head(struct ik_http_exchange *exchange, const uint8_t *data, size_t len,
                     size_t *used, char *detail) {
  *used = 0;
  while (*used < len && exchange->phase == IK_HTTP_HEAD) {
    size_t n;
    int rc = ik_http_head_push(&exchange->head, data + *used, len - *used, &n, detail);
    *used += n;
    if (rc < 0) return rc;
    if (rc == 1) rc = head_done(exchange, detail);
    if (rc != 0) return rc;
  }
  return 0;
}

int ik_http_exchange_push(struct ik_http_exchange *exchange, uint8_t *data, size_t len,
                          size_t *body_len, size_t *used, char *detail) {
  *body_len = 0;
  *used = 0;
  if (exchange->phase == IK_HTTP_HEAD) return push_head(exchange, data, len, used, detail);
  if (exchange->phase == IK_HTTP_END) return 0;
  int rc = 0;
  if (exchange->framing == IK_HTTP_CHUNKED) {
    rc = ik_chunked_decode(&exchange->chunked, data, len, body_len, used, detail);
  } else {
    *used = len;
    if (exchange->framing == IK_HTTP_LENGTH && len > exchange->length - exchange->received) {
      *used = (size_t)(exchange->length - exchange->received);
    }
    *body_len = *used;
  }
  exchange->received += *body_len;
  bool complete =
      rc == 1 || (exchange->framing == IK_HTTP_LENGTH && exchange->received == exchange->length);
  if (complete) exchange->phase = IK_HTTP_END;
  return rc < 0 ? rc : 0;
}

int ik_http_exchange_eof(struct ik_http_exchange *exchange, char *detail) {
  if (exchange->phase == IK_HTTP_END) return 0;
  if (exchange->phase == IK_HTTP_HEAD) {
    return ik_refuse(detail, IK_ECONNECTION_CLOSED,
                     "the connection was closed before the response head was complete");
  }
  if (exchange->framing == IK_HTTP_UNTIL_CLOSE) {
    exchange->phase = IK_HTTP_END;
    return 0;
  }
  if (exchange->framing == IK_HTTP_LENGTH) {
    ik_detail(detail,
              "the connection was closed after %" PRIu64 " of %" PRIu64 " bytes of the body",
              exchange->received, exchange->length);
  } else {
    ik_detail(detail, "the connection was closed in a chunked body after %" PRIu64 " bytes",
              exchange->received);
  }
  return IK_ETRUNCATED;
}

bool ik_http_exchange_reusable(const struct ik_http_exchange *exchange) {
  return exchange->phase == IK_HTTP_END && exchange->framing != IK_HTTP_UNTIL_CLOSE &&
         ik_http_head_keep_alive(&exchange->head);
}
