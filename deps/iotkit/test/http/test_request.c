/* The request of a download, and the header fields that a user may add to it. */
#include <string.h>

#include "http/head.h"
#include "http/request.h"
#include "iotkit_errors.h"
#include "support/cm.h"
#include "support/rng.h"

static char text[65536];

/* The request as a text; NULL: it is refused. */
static const char *written(const struct ik_http_request *request) {
  struct ik_buf out;
  ik_buf_init(&out, sizeof text - 1);
  int rc = ik_http_request_write(request, &out);
  if (rc != 0) {
    assert_int_equal(rc, IK_EINVALID_ARGUMENT);
    assert_int_equal(ik_buf_size(&out), 0);
    return NULL;
  }
  memcpy(text, ik_buf_ptr(&out), ik_buf_size(&out));
  text[ik_buf_size(&out)] = '\0';
  ik_buf_free(&out);
  return text;
}

static struct ik_url url;

static int parse_url(void **state) {
  (void)state;
  return ik_url_parse(ik_str("https://[::1]:8443/a%20b?Expires=1&x=%2F"), &url, NULL);
}

static int free_url(void **state) {
  (void)state;
  ik_url_free(&url);
  return 0;
}

static struct ik_http_request plain(void) {
  return (struct ik_http_request){.url = &url, .user_agent = "iotkit-ota/1"};
}

static void writes_what_is_needed(void **state) {
  (void)state;
  struct ik_http_request request = plain();
  assert_string_equal(written(&request), "GET /a%20b?Expires=1&x=%2F HTTP/1.1\r\n"
                                         "Host: [::1]:8443\r\n"
                                         "User-Agent: iotkit-ota/1\r\n"
                                         "Accept: */*\r\n"
                                         "Accept-Encoding: identity\r\n"
                                         "Connection: keep-alive\r\n\r\n");
}

static void asks_for_ranges(void **state) {
  (void)state;
  static const struct {
    uint64_t offset, end;
    const char *range; /* NULL: refused */
  } rows[] = {
      {0, 0, ""},
      {1, 0, "Range: bytes=1-\r\n"},
      {5368709120, 0, "Range: bytes=5368709120-\r\n"},
      {0, 1, "Range: bytes=0-0\r\n"},
      {0, 1048576, "Range: bytes=0-1048575\r\n"},
      {1048576, 2097152, "Range: bytes=1048576-2097151\r\n"},
      {5, 5, NULL},
      {6, 5, NULL},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_http_request request = plain();
    request.offset = rows[i].offset;
    request.end = rows[i].end;
    request.if_range = IK_STR("\"tag\"");
    const char *got = written(&request);
    if (rows[i].range == NULL) {
      assert_null(got);
    } else if (rows[i].range[0] == '\0') {
      assert_null(strstr(got, "Range"));
    } else {
      char want[128];
      snprintf(want, sizeof want, "\r\n%sIf-Range: \"tag\"\r\n", rows[i].range);
      assert_non_null(strstr(got, want));
    }
  }
}

static void goes_through_a_proxy_in_absolute_form(void **state) {
  (void)state;
  struct ik_url http;
  assert_int_equal(ik_url_parse(ik_str("http://Fw.Example:80/a?b"), &http, NULL), 0);
  struct ik_http_request request = plain();
  request.url = &http;
  request.absolute_form = true;
  request.proxy_authorization = IK_STR("Basic dTpw");
  assert_string_equal(written(&request), "GET http://fw.example/a?b HTTP/1.1\r\n"
                                         "Host: fw.example\r\n"
                                         "User-Agent: iotkit-ota/1\r\n"
                                         "Accept: */*\r\n"
                                         "Accept-Encoding: identity\r\n"
                                         "Proxy-Authorization: Basic dTpw\r\n"
                                         "Connection: keep-alive\r\n\r\n");
  ik_url_free(&http);
}

static void adds_the_users_fields(void **state) {
  (void)state;
  struct ik_http_request request = plain();
  request.fields = IK_STR("Authorization: Bearer abc\r\nX-Two:2\r\n");
  assert_non_null(
      strstr(written(&request), "identity\r\nAuthorization: Bearer abc\r\nX-Two:2\r\nConnection"));
  request.fields = IK_STR("user-agent: mine\r\nACCEPT: application/octet-stream\r\n");
  assert_string_equal(written(&request), "GET /a%20b?Expires=1&x=%2F HTTP/1.1\r\n"
                                         "Host: [::1]:8443\r\n"
                                         "Accept-Encoding: identity\r\n"
                                         "user-agent: mine\r\n"
                                         "ACCEPT: application/octet-stream\r\n"
                                         "Connection: keep-alive\r\n\r\n");
}

static void no_text_breaks_its_line(void **state) {
  (void)state;
  static const char *const bad[] = {"a\r\nX: y", "a\nb", "a\rb", "\x7f", "a\x01"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    struct ik_http_request request = plain();
    request.user_agent = bad[i];
    assert_null(written(&request));
    request = plain();
    request.if_range = ik_str(bad[i]);
    request.offset = 1;
    assert_null(written(&request));
    request = plain();
    request.proxy_authorization = ik_str(bad[i]);
    assert_null(written(&request));
    request = plain();
    request.fields = ik_str(bad[i]);
    assert_null(written(&request));
  }
}

static void a_full_buffer_is_told(void **state) {
  (void)state;
  struct ik_http_request request = plain();
  request.offset = 1;
  request.if_range = IK_STR("\"tag\"");
  request.fields = IK_STR("A: b\r\n");
  request.proxy_authorization = IK_STR("Basic dTpw");
  size_t need = strlen(written(&request));
  for (size_t max = 0; max < need; max++) {
    struct ik_buf out;
    ik_buf_init(&out, max);
    assert_int_equal(ik_http_request_write(&request, &out), IK_ETOO_LONG);
    ik_buf_free(&out);
  }
}

/* ---- fields ---- */

static void fields_are_valid_or_not(void **state) {
  (void)state;
  static const char *const good[] = {
      "",
      "A: b\r\n",
      "A:\r\n",
      "A:b\r\nC:\td \r\n",
      "Authorization: Bearer s3cret\r\nCookie: a=b; c=d\r\n",
      "X-Host: a\r\nRanges: b\r\nIfx: c\r\nProxied: d\r\nTEA: e\r\n",
      "!#$%&'*+-.^_`|~09azAZ: \xe5\x8d\x87\r\n",
  };
  static const struct {
    const char *fields, *detail;
  } bad[] = {
      {"A: s3cret", "header field 1 does not end with CRLF"},
      {"A: s3cret\n", "header field 1 does not end with CRLF"},
      {"A: s3cret\r", "header field 1 does not end with CRLF"},
      {"A: b\r\nB: s3cret\n", "header field 2 does not end with CRLF"},
      {"A: b\r\ns3cret\r\n", "header field 2 has no valid name"},
      {"\r\n", "header field 1 has no valid name"},
      {"A: b\r\n\r\nGET / HTTP/1.1\r\n", "header field 2 has no valid name"},
      {": b\r\n", "header field 1 has no valid name"},
      {"A : b\r\n", "header field 1 has no valid name"},
      {" A: b\r\n", "header field 1 has no valid name"},
      {"A: b\r\n\ts3cret: folded\r\n", "header field 2 has no valid name"},
      {"\xc3\xa9: b\r\n", "header field 1 has no valid name"},
      {"A(: b\r\n", "header field 1 has no valid name"},
      {"A: s3\ncret\r\n", "the header field A has a control character"},
      {"A: s3\rcret\r\n", "the header field A has a control character"},
      {"A: s3\x01\r\n", "the header field A has a control character"},
      {"A: s3\x7f\r\n", "the header field A has a control character"},
      {"A: s3\r\r\n", "the header field A has a control character"},
      {"Host: a\r\n", "the header field Host cannot be set"},
      {"rAnGe: bytes=0-\r\n", "the header field rAnGe cannot be set"},
      {"If-Range: a\r\n", NULL},
      {"If-None-Match: a\r\n", NULL},
      {"Connection: close\r\n", NULL},
      {"Keep-Alive: a\r\n", NULL},
      {"Accept-Encoding: gzip\r\n", NULL},
      {"Content-Length: 0\r\n", NULL},
      {"Transfer-Encoding: chunked\r\n", NULL},
      {"Expect: 100-continue\r\n", NULL},
      {"Upgrade: h2c\r\n", NULL},
      {"TE: trailers\r\n", NULL},
      {"Trailer: a\r\n", NULL},
      {"proxy-authorization: Basic s3cret\r\n",
       "the header field proxy-authorization cannot be set"},
      {"Proxy-Connection: a\r\n", NULL},
      {"A: b\r\nHost: a\r\n", "the header field Host cannot be set"},
  };
  for (size_t i = 0; i < COUNT(good); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (!ik_http_fields_valid(ik_str(good[i]), detail)) fail_msg("%s: %s", good[i], detail);
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (ik_http_fields_valid(ik_str(bad[i].fields), detail)) fail_msg("%s", bad[i].fields);
    if (bad[i].detail != NULL) assert_string_equal(detail, bad[i].detail);
    assert_string_not_equal(detail, "");
    assert_null(strstr(detail, "s3"));
  }
  /* A NUL ends nothing in a header field of Node.js. */
  assert_false(ik_http_fields_valid((struct ik_str){"A: b\0c\r\n", 8}, NULL));
}

static void fields_are_limited(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  memset(text, 'a', IK_HTTP_FIELDS_MAX + 1);
  text[1] = ':';
  memcpy(text + IK_HTTP_FIELDS_MAX - 2, "\r\n", 2);
  assert_true(ik_http_fields_valid((struct ik_str){text, IK_HTTP_FIELDS_MAX}, detail));
  memcpy(text + IK_HTTP_FIELDS_MAX - 2, "a\r\n", 3);
  assert_false(ik_http_fields_valid((struct ik_str){text, IK_HTTP_FIELDS_MAX + 1}, detail));
  assert_string_equal(detail, "the header fields are longer than 8192 bytes");
}

/* What is accepted is, to an HTTP parser, just those fields: no line more, no line less. */
static void accepted_fields_inject_nothing(void **state) {
  (void)state;
  static const char *const pieces[] = {"\r\n", "\r", "\n", ":", " ", "A", "Host", "\t", "x: y\r\n"};
  struct rng rng = rng_start("request");
  unsigned accepted = 0;
  for (int round = 0; round < 50000; round++) {
    char fields[128] = "";
    size_t len = 0, lines = 0, used;
    for (size_t n = rng_below(&rng, 8); n > 0; n--) {
      const char *piece = pieces[rng_below(&rng, COUNT(pieces))];
      memcpy(fields + len, piece, strlen(piece) + 1);
      len += strlen(piece);
    }
    struct ik_http_request request = plain();
    request.fields = ik_str(fields);
    if (written(&request) == NULL) continue;
    for (const char *at = fields; (at = strstr(at, "\r\n")) != NULL; at += 2)
      lines++;
    accepted++;
    /* The head of a request is that of a response but for its first line. */
    static struct ik_http_head head;
    const char *first = "HTTP/1.1 200 OK\r\n";
    const char *rest = strstr(text, "\r\n") + 2;
    ik_http_head_init(&head);
    assert_int_equal(ik_http_head_push(&head, (const uint8_t *)first, strlen(first), &used, NULL),
                     0);
    assert_int_equal(ik_http_head_push(&head, (const uint8_t *)rest, strlen(rest), &used, NULL), 1);
    assert_int_equal(used, strlen(rest));
    assert_int_equal(head.count, 5 + lines);
    assert_int_equal(ik_http_head_get(&head, "Host", NULL), 1);
    ik_http_head_free(&head);
  }
  assert_true(accepted > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_what_is_needed),
      cmocka_unit_test(asks_for_ranges),
      cmocka_unit_test(goes_through_a_proxy_in_absolute_form),
      cmocka_unit_test(adds_the_users_fields),
      cmocka_unit_test(no_text_breaks_its_line),
      cmocka_unit_test(a_full_buffer_is_told),
      cmocka_unit_test(fields_are_valid_or_not),
      cmocka_unit_test(fields_are_limited),
      cmocka_unit_test(accepted_fields_inject_nothing),
  };
  return cmocka_run_group_tests(tests, parse_url, free_url);
}
