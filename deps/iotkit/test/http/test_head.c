/*
 * Response heads: what is accepted, what is refused, and that no way of splitting the bytes changes
 * either.
 */
#include <stdio.h>
#include <string.h>

#include "http/head.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define END "\r\n"

struct row {
  const char *name;
  const char *text;
  int rc; /* 1: complete, 0: more is needed, or the error */
  unsigned status;
  size_t fields;
};

static const struct row rows[] = {
    /* complete ones */
    {"plain", OK_HEAD "A: b\r\n" END, 1, 200, 1},
    {"no fields", OK_HEAD END, 1, 200, 0},
    {"no reason, no space", "HTTP/1.1 200\r\n" END, 1, 200, 0},
    {"no reason, a space", "HTTP/1.1 200 \r\n" END, 1, 200, 0},
    {"long reason", "HTTP/1.1 416 Range Not Satisfiable\r\n" END, 1, 416, 0},
    {"reason in UTF-8", "HTTP/1.1 404 \xe6\x97\xa0\r\n" END, 1, 404, 0},
    {"HTTP/1.0", "HTTP/1.0 200 OK\r\n" END, 1, 200, 0},
    {"status beyond 599", "HTTP/1.1 999 x\r\n" END, 1, 999, 0},
    {"no space after the colon", OK_HEAD "A:b\r\n" END, 1, 200, 1},
    {"tabs and spaces around a value", OK_HEAD "A:\t b \t\r\n" END, 1, 200, 1},
    {"empty value", OK_HEAD "A:\r\n" END, 1, 200, 1},
    {"all token characters", OK_HEAD "!#$%&'*+-.^_`|~09azAZ: b\r\n" END, 1, 200, 1},
    {"obs-text in a value", OK_HEAD "A: \xff\x80\r\n" END, 1, 200, 1},
    {"colons in a value", OK_HEAD "A: b:c\r\n" END, 1, 200, 1},
    {"folded with a space", OK_HEAD "A: b\r\n c\r\n" END, 1, 200, 1},
    {"folded with a tab", OK_HEAD "A: b\r\n\tc\r\nB: c\r\n" END, 1, 200, 2},
    {"folded without anything", OK_HEAD "A: b\r\n \r\n" END, 1, 200, 1},
    {"bytes after the head", OK_HEAD END "body", 1, 200, 0},
    /* unfinished ones */
    {"nothing", "", 0, 0, 0},
    {"half a version", "HTT", 0, 0, 0},
    {"status line only", OK_HEAD, 0, 200, 0},
    {"half a field", OK_HEAD "A: b", 0, 200, 0},
    {"without the last LF", OK_HEAD "A: b\r\n\r", 0, 200, 1},
    /* status lines that are none */
    {"HTTP/2", "HTTP/2.0 200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"HTTP/0.9", "<html>", IK_EHTTP_PROTOCOL, 0, 0},
    {"another protocol", "SSH-2.0-OpenSSH\r\n", IK_EHTTP_PROTOCOL, 0, 0},
    {"lower case", "http/1.1 200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"leading line end", "\r\n" OK_HEAD END, IK_EHTTP_PROTOCOL, 0, 0},
    {"leading space", " HTTP/1.1 200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"minor of two digits", "HTTP/1.10 200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"no minor", "HTTP/1. 200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"two spaces", "HTTP/1.1  200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"tab for a space", "HTTP/1.1\t200 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"two digits", "HTTP/1.1 20 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"four digits", "HTTP/1.1 2000 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"signed status", "HTTP/1.1 +20 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"status below 100", "HTTP/1.1 099 OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"status joined to the reason", "HTTP/1.1 200OK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"control character in the reason", "HTTP/1.1 200 O\x01K\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"CR in the reason", "HTTP/1.1 200 O\rK\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"LF alone after the status line", "HTTP/1.1 200 OK\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    /* fields that are none */
    {"LF alone after a field", OK_HEAD "A: b\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"LF alone as the end", OK_HEAD "A: b\r\n\n", IK_EHTTP_PROTOCOL, 200, 1},
    {"CR in a value", OK_HEAD "A: b\rC: d\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"two CR", OK_HEAD "A: b\r\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"folded first field", OK_HEAD " A: b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"folded nothing", OK_HEAD " \r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"control character in a folded line", OK_HEAD "A: b\r\n c\x01\r\n" END, IK_EHTTP_PROTOCOL, 200,
     1},
    {"LF alone after a folded line", OK_HEAD "A: b\r\n c\n" END, IK_EHTTP_PROTOCOL, 200, 1},
    {"space before the colon", OK_HEAD "A : b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"tab before the colon", OK_HEAD "A\t: b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"no colon", OK_HEAD "A b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"no name", OK_HEAD ": b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"quote in a name", OK_HEAD "A\"B: b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"high byte in a name", OK_HEAD "A\x80: b\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"DEL in a value", OK_HEAD "A: \x7f\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
    {"escape in a value", OK_HEAD "A: \x1b[0m\r\n" END, IK_EHTTP_PROTOCOL, 200, 0},
};

struct outcome {
  int rc;
  unsigned status;
  size_t fields;
  size_t used;
};

/* Pushes the text in pieces: [0, cut), then pieces of `step` bytes. */
static struct outcome push(const char *text, size_t len, size_t cut, size_t step) {
  struct ik_http_head head;
  struct outcome out = {0};
  ik_http_head_init(&head);
  size_t at = 0;
  while (out.rc == 0 && (at < len || at == 0)) {
    size_t n = at < cut ? cut - at : step;
    if (n > len - at) n = len - at;
    size_t used = 0;
    out.rc = ik_http_head_push(&head, (const uint8_t *)text + at, n, &used, NULL);
    assert_true(used <= n);
    out.used += used;
    if (out.rc == 0) assert_int_equal(used, n);
    at += n;
    if (n == 0) break;
  }
  out.status = head.status;
  out.fields = head.count;
  ik_http_head_free(&head);
  return out;
}

static void accepts_and_refuses(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const struct row *row = &rows[i];
    struct outcome out = push(row->text, strlen(row->text), 0, SIZE_MAX);
    if (out.rc != row->rc) fail_msg("%s: %d, not %d", row->name, out.rc, row->rc);
    if (out.rc >= 0 && (out.status != row->status || out.fields != row->fields)) {
      fail_msg("%s: status %u, %zu fields", row->name, out.status, out.fields);
    }
  }
}

static void does_not_depend_on_splits(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const struct row *row = &rows[i];
    size_t len = strlen(row->text);
    struct outcome whole = push(row->text, len, 0, SIZE_MAX);
    for (size_t cut = 0; cut <= len; cut++) {
      struct outcome split = push(row->text, len, cut, cut == 0 ? 1 : SIZE_MAX);
      if (split.rc != whole.rc || (whole.rc >= 0 && memcmp(&split, &whole, sizeof(split)) != 0)) {
        fail_msg("%s, cut at %zu: %d, not %d", row->name, cut, split.rc, whole.rc);
      }
    }
  }
}

/* `text` in, the head out; ends the test when it is not complete. */
static void parse(struct ik_http_head *head, const char *text) {
  size_t used;
  ik_http_head_init(head);
  assert_int_equal(ik_http_head_push(head, (const uint8_t *)text, strlen(text), &used, NULL), 1);
}

static void finds_fields(void **state) {
  (void)state;
  struct ik_http_head head;
  struct ik_str value;
  parse(&head, OK_HEAD "ETag: \"a\"\r\nX: 1\r\netag: \"b\"\r\n" END);
  assert_int_equal(ik_http_head_get(&head, "ETAG", &value), 2);
  assert_true(ik_str_eq(value, IK_STR("\"a\"")));
  assert_true(ik_http_head_at(&head, "etag", 1, &value));
  assert_true(ik_str_eq(value, IK_STR("\"b\"")));
  assert_int_equal(ik_http_head_get(&head, "E", &value), 0);
  assert_int_equal(value.len, 0);
  assert_int_equal(ik_http_head_get(&head, "X", NULL), 1);
  ik_http_head_reset(&head);
  assert_int_equal(ik_http_head_get(&head, "X", NULL), 0);
  ik_http_head_free(&head);
}

static void joins_folded_lines(void **state) {
  (void)state;
  static const struct {
    const char *lines, *value;
  } cases[] = {
      {"A: b\r\n c\r\n", "b   c"},
      {"A: b \t\r\n\t \tc \r\n", "b \t  \t \tc"},
      {"A:\r\n c\r\n", "c"},
      {"A: b\r\n  \r\n", "b"},
      {"A: b\r\n  \r\n c\r\n", "b       c"},
      {"A: b\r\n c: d\r\n e\r\n", "b   c: d   e"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct ik_http_head head;
    struct ik_str value;
    char text[256];
    snprintf(text, sizeof(text), OK_HEAD "%sB: z\r\n" END, cases[i].lines);
    parse(&head, text);
    assert_int_equal(ik_http_head_get(&head, "A", &value), 1);
    if (!ik_str_eq(value, ik_str(cases[i].value)))
      fail_msg("%s: \"%.*s\"", text, (int)value.len, value.ptr);
    assert_int_equal(ik_http_head_get(&head, "B", &value), 1);
    assert_true(ik_str_eq(value, IK_STR("z")));
    assert_int_equal(ik_http_head_get(&head, "c", NULL), 0);
    ik_http_head_free(&head);
  }
}

static void caps_the_head(void **state) {
  (void)state;
  static char text[IK_HTTP_HEAD_MAX + 64];
  size_t at = (size_t)snprintf(text, sizeof(text), OK_HEAD "A: ");
  memset(text + at, 'x', sizeof(text) - at);
  /* Exactly as long as is allowed … */
  memcpy(text + IK_HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
  assert_int_equal(push(text, IK_HTTP_HEAD_MAX, 0, SIZE_MAX).rc, 1);
  assert_int_equal(push(text, IK_HTTP_HEAD_MAX, 0, 1000).rc, 1);
  /* … and one byte more. */
  memset(text + IK_HTTP_HEAD_MAX - 4, 'x', 4);
  memcpy(text + IK_HTTP_HEAD_MAX - 3, "\r\n\r\n", 4);
  assert_int_equal(push(text, IK_HTTP_HEAD_MAX + 1, 0, SIZE_MAX).rc, IK_EHTTP_HEAD_TOO_LARGE);
  assert_int_equal(push(text, IK_HTTP_HEAD_MAX + 1, 0, 7).rc, IK_EHTTP_HEAD_TOO_LARGE);
}

static void caps_the_fields(void **state) {
  (void)state;
  static char text[IK_HTTP_HEADERS_MAX * 8 + 64];
  size_t at = (size_t)snprintf(text, sizeof(text), OK_HEAD);
  for (int i = 0; i < IK_HTTP_HEADERS_MAX; i++) {
    at += (size_t)snprintf(text + at, sizeof(text) - at, "A: b\r\n");
  }
  snprintf(text + at, sizeof(text) - at, END);
  assert_int_equal(push(text, strlen(text), 0, SIZE_MAX).rc, 1);
  snprintf(text + at, sizeof(text) - at, "A: b\r\n" END);
  assert_int_equal(push(text, strlen(text), 0, SIZE_MAX).rc, IK_EHTTP_HEAD_TOO_LARGE);
}

/* ---- how the body ends ---- */

struct framing_row {
  const char *head;
  int rc;
  enum ik_http_framing framing;
  uint64_t length;
};

static const struct framing_row framing_rows[] = {
    {OK_HEAD "Content-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "content-length:5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Length: 0\r\n" END, 0, IK_HTTP_LENGTH, 0},
    {OK_HEAD "Content-Length: 5368709120\r\n" END, 0, IK_HTTP_LENGTH, 5368709120},
    {OK_HEAD "Content-Length: 18446744073709551615\r\n" END, 0, IK_HTTP_LENGTH, UINT64_MAX},
    {OK_HEAD "Content-Length: 5\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Length: 5, 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "X-Content-Length: 7\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Transfer-Encoding: chunked\r\n" END, 0, IK_HTTP_CHUNKED, 0},
    {OK_HEAD "transfer-encoding: Chunked\r\n" END, 0, IK_HTTP_CHUNKED, 0},
    {OK_HEAD "Transfer-Encoding:\r\n chunked\r\n" END, 0, IK_HTTP_CHUNKED, 0},
    {OK_HEAD "Transfer-Encoding: identity, chunked\r\n" END, 0, IK_HTTP_CHUNKED, 0},
    {OK_HEAD "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" END, 0,
     IK_HTTP_CHUNKED, 0},
    {OK_HEAD "Transfer-Encoding: Identity\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Transfer-Encoding: identity\r\n" END, 0, IK_HTTP_UNTIL_CLOSE, 0},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n" END, 0,
     IK_HTTP_LENGTH, 5},
    {OK_HEAD END, 0, IK_HTTP_UNTIL_CLOSE, 0},
    /* what a stored object is said to be coded with does not matter */
    {OK_HEAD "Content-Encoding: identity\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Encoding: x-gzip\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Encoding: aws-chunked\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Encoding: utf-8\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {OK_HEAD "Content-Encoding: aws-chunked,gzip\r\nTransfer-Encoding: chunked\r\n" END, 0,
     IK_HTTP_CHUNKED, 0},
    {OK_HEAD "Content-Encoding: identity\r\nContent-Encoding: br\r\n" END, 0, IK_HTTP_UNTIL_CLOSE,
     0},
    {OK_HEAD "Content-Encoding:\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {"HTTP/1.1 206 x\r\nContent-Encoding: none\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    {"HTTP/1.1 204 x\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_NO_BODY, 0},
    {"HTTP/1.1 304 x\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_NO_BODY, 0},
    {"HTTP/1.1 100 x\r\n" END, 0, IK_HTTP_NO_BODY, 0},
    {"HTTP/1.1 404 x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n" END, 0, IK_HTTP_LENGTH, 5},
    /* smuggling and nonsense */
    {OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 5, 6\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 5,\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length:\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: -5\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: +5\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 5 5\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 0x5\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 5.0\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 18446744073709551616\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Transfer-Encoding: gzip, chunked\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: chunked, gzip\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: chunked, chunked\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: chunked, identity\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: identity, gzip\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: identity;q=1\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: identity,\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n" END, IK_EHTTP_PROTOCOL,
     0, 0},
    {OK_HEAD "Content-Length: 5\r\n 6\r\n" END, IK_EHTTP_PROTOCOL, 0, 0},
    {OK_HEAD "Transfer-Encoding: xchunked\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding:\r\n" END, IK_EHTTP_ENCODING, 0, 0},
    {OK_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END, IK_EHTTP_ENCODING,
     0, 0},
};

static void knows_how_the_body_ends(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(framing_rows) / sizeof(framing_rows[0]); i++) {
    const struct framing_row *row = &framing_rows[i];
    struct ik_http_head head;
    enum ik_http_framing framing = IK_HTTP_NO_BODY;
    uint64_t length = 0;
    char detail[IOTKIT_DETAIL_MAX] = "";
    parse(&head, row->head);
    int rc = ik_http_head_framing(&head, &framing, &length, detail);
    if (rc != row->rc || (rc == 0 && (framing != row->framing || length != row->length))) {
      fail_msg("%s: %d, framing %d, length %llu", row->head, rc, (int)framing,
               (unsigned long long)length);
    }
    if (rc != 0) assert_true(detail[0] != '\0');
    ik_http_head_free(&head);
  }
}

static void knows_whether_the_connection_stays(void **state) {
  (void)state;
  static const struct {
    const char *head;
    bool keep;
  } cases[] = {
      {OK_HEAD END, true},
      {OK_HEAD "Connection: keep-alive\r\n" END, true},
      {OK_HEAD "Connection: Close\r\n" END, false},
      {OK_HEAD "Connection: keep-alive, close\r\n" END, false},
      {OK_HEAD "Connection: x\r\nConnection: close\r\n" END, false},
      {"HTTP/1.0 200 OK\r\n" END, false},
      {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" END, true},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct ik_http_head head;
    parse(&head, cases[i].head);
    if (ik_http_head_keep_alive(&head) != cases[i].keep) fail_msg("%s", cases[i].head);
    ik_http_head_free(&head);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accepts_and_refuses),
      cmocka_unit_test(does_not_depend_on_splits),
      cmocka_unit_test(finds_fields),
      cmocka_unit_test(joins_folded_lines),
      cmocka_unit_test(caps_the_head),
      cmocka_unit_test(caps_the_fields),
      cmocka_unit_test(knows_how_the_body_ends),
      cmocka_unit_test(knows_whether_the_connection_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
