/*
 * Whole responses through the exchange: head, body, end, in any pieces, with the body left where
 * the bytes were received.
 */
#include <stdlib.h>
#include <string.h>

#include "http/exchange.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define OK "HTTP/1.1 200 OK\r\n"

struct row {
  const char *name;
  const char *raw;
  int rc; /* of the bytes */
  enum ik_http_phase phase;
  int eof; /* of the end after them, where rc is 0 */
  unsigned status;
  const char *body;
  size_t rest;
  bool reusable;
};

static const struct row rows[] = {
    {"length", OK "Content-Length: 5\r\n\r\nhello", 0, IK_HTTP_END, 0, 200, "hello", 0, true},
    {"length, closing", OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello", 0, IK_HTTP_END, 0,
     200, "hello", 0, false},
    {"length, bytes after", OK "Content-Length: 5\r\n\r\nhello!!", 0, IK_HTTP_END, 0, 200, "hello",
     2, true},
    {"length, short", OK "Content-Length: 5\r\n\r\nhell", 0, IK_HTTP_BODY, IK_ETRUNCATED, 200,
     "hell", 0, false},
    {"length 0", OK "Content-Length: 0\r\n\r\n", 0, IK_HTTP_END, 0, 200, "", 0, true},
    {"chunked", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0, IK_HTTP_END, 0,
     200, "hello", 0, true},
    {"chunked, short", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0, IK_HTTP_BODY,
     IK_ETRUNCATED, 200, "hello", 0, false},
    {"chunked, malformed", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!", IK_EHTTP_PROTOCOL,
     IK_HTTP_BODY, 0, 200, "hello", 0, false},
    {"until close", OK "\r\nhello", 0, IK_HTTP_BODY, 0, 200, "hello", 0, false},
    {"204", "HTTP/1.1 204 x\r\n\r\nhello", 0, IK_HTTP_END, 0, 204, "", 5, true},
    {"304 with a length", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", 0, IK_HTTP_END, 0, 304, "",
     0, true},
    {"100 first", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", 0, IK_HTTP_END,
     0, 200, "x", 0, true},
    {"103 and 102 first",
     "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 102 x\r\n\r\n" OK
     "Content-Length: 1\r\n\r\nx",
     0, IK_HTTP_END, 0, 200, "x", 0, true},
    {"100 only", "HTTP/1.1 100 Continue\r\n\r\n", 0, IK_HTTP_HEAD, IK_ECONNECTION_CLOSED, 0, "", 0,
     false},
    {"101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", IK_EHTTP_PROTOCOL, IK_HTTP_HEAD, 0, 0,
     "", 0, false},
    {"nothing", "", 0, IK_HTTP_HEAD, IK_ECONNECTION_CLOSED, 0, "", 0, false},
    {"half a head", OK "Content-Le", 0, IK_HTTP_HEAD, IK_ECONNECTION_CLOSED, 200, "", 0, false},
    {"gzip, which is not decoded", OK "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
     0, IK_HTTP_END, 0, 200, "\x1f\x8b", 0, true},
    {"two lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", IK_EHTTP_PROTOCOL,
     IK_HTTP_HEAD, 0, 0, "", 0, false},
};

struct outcome {
  int rc;
  size_t used;
  size_t len;
  char body[64];
};

/* Pushes one piece as the owner of a connection does: again after the head. */
static void push(struct ik_http_exchange *exchange, const char *raw, size_t n,
                 struct outcome *out) {
  uint8_t *piece = malloc(n > 0 ? n : 1);
  size_t at = 0;
  assert_non_null(piece);
  memcpy(piece, raw, n);
  while (at < n && out->rc == 0 && exchange->phase != IK_HTTP_END) {
    size_t body;
    size_t used;
    out->rc = ik_http_exchange_push(exchange, piece + at, n - at, &body, &used, NULL);
    assert_true(body <= used && used <= n - at);
    assert_true(used > 0 || out->rc != 0);
    memcpy(out->body + out->len, piece + at, body);
    out->len += body;
    at += used;
  }
  out->used += at;
  free(piece);
}

static struct outcome run(struct ik_http_exchange *exchange, const char *raw, size_t cut,
                          size_t step) {
  struct outcome out = {0};
  size_t len = strlen(raw);
  for (size_t at = 0; at < len && out.rc == 0;) {
    size_t n = at < cut ? cut - at : step;
    if (n > len - at) n = len - at;
    push(exchange, raw + at, n, &out);
    at += n;
  }
  return out;
}

static void check(const struct row *row, struct ik_http_exchange *exchange, size_t cut,
                  size_t step) {
  struct outcome out = run(exchange, row->raw, cut, step);
  if (out.rc != row->rc || exchange->phase != row->phase || out.len != strlen(row->body) ||
      memcmp(out.body, row->body, out.len) != 0) {
    fail_msg("%s, cut at %zu: %d, phase %d, %zu bytes", row->name, cut, out.rc,
             (int)exchange->phase, out.len);
  }
  if (out.rc != 0) return;
  assert_int_equal(out.used, strlen(row->raw) - row->rest);
  assert_int_equal(exchange->head.status, row->status);
  assert_int_equal(exchange->received, out.len);
  if (ik_http_exchange_reusable(exchange) != row->reusable) fail_msg("%s", row->name);
  assert_int_equal(ik_http_exchange_eof(exchange, NULL), row->eof);
}

static void takes_responses_in_any_pieces(void **state) {
  (void)state;
  struct ik_http_exchange exchange;
  ik_http_exchange_init(&exchange);
  for (size_t i = 0; i < COUNT(rows); i++) {
    for (size_t cut = 0; cut <= strlen(rows[i].raw); cut++) {
      ik_http_exchange_reset(&exchange);
      check(&rows[i], &exchange, cut, cut == 0 ? 1 : SIZE_MAX);
    }
  }
  ik_http_exchange_free(&exchange);
}

static void leaves_the_body_where_it_is(void **state) {
  (void)state;
  static const char head[] = OK "Content-Length: 10\r\n\r\n";
  uint8_t data[10] = "0123456789";
  struct ik_http_exchange exchange;
  size_t body;
  size_t used;
  ik_http_exchange_init(&exchange);
  assert_int_equal(ik_http_exchange_push(&exchange, (uint8_t[64]){0}, 0, &body, &used, NULL), 0);
  uint8_t copy[sizeof(head)];
  memcpy(copy, head, sizeof(head));
  assert_int_equal(ik_http_exchange_push(&exchange, copy, sizeof(head) - 1, &body, &used, NULL), 0);
  assert_int_equal(exchange.phase, IK_HTTP_BODY);
  assert_true(exchange.length == 10);
  assert_int_equal(ik_http_exchange_push(&exchange, data, 10, &body, &used, NULL), 0);
  assert_int_equal(body, 10);
  assert_memory_equal(data, "0123456789", 10);
  ik_http_exchange_free(&exchange);
}

static void skips_only_so_many_interim_answers(void **state) {
  (void)state;
  static const char interim[] = "HTTP/1.1 102 x\r\n\r\n";
  struct ik_http_exchange exchange;
  struct outcome out = {0};
  ik_http_exchange_init(&exchange);
  int count = 0;
  while (out.rc == 0 && count < 100) {
    push(&exchange, interim, sizeof(interim) - 1, &out);
    count++;
  }
  assert_int_equal(out.rc, IK_EHTTP_PROTOCOL);
  assert_int_equal(count, 17);
  ik_http_exchange_free(&exchange);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_responses_in_any_pieces),
      cmocka_unit_test(leaves_the_body_where_it_is),
      cmocka_unit_test(skips_only_so_many_interim_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
