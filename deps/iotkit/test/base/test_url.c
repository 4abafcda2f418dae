/* Parsing URLs and resolving redirect targets. */
#include <string.h>

#include "base/url.h"
#include "iotkit_errors.h"
#include "support/cm.h"
#include "support/rng.h"

static void assert_url(const struct ik_url *url, const char *want, const char *why) {
  char text[64 + IK_HOST_MAX];
  char *whole;
  size_t len;
  snprintf(text, sizeof text, "%s://%s", url->https ? "https" : "http", url->authority);
  len = strlen(text) + strlen(url->target) + 1;
  whole = test_malloc(len);
  snprintf(whole, len, "%s%s", text, url->target);
  if (strcmp(whole, want) != 0) fail_msg("%s: got %s, want %s", why, whole, want);
  test_free(whole);
}

static void normal_forms(void **state) {
  static const struct {
    const char *text, *want;
  } rows[] = {
      {"http://example.com", "http://example.com/"},
      {"http://example.com/", "http://example.com/"},
      {"HTTPS://Example.COM/A/B?C=D", "https://example.com/A/B?C=D"},
      {"http://example.com?x=1", "http://example.com/?x=1"},
      {"http://example.com?", "http://example.com/?"},
      {"http://example.com#frag", "http://example.com/"},
      {"http://example.com/a#b?c", "http://example.com/a"},
      {"http://example.com/a?b#c#d", "http://example.com/a?b"},
      {"http://example.com/a?b?c=/../d", "http://example.com/a?b?c=/../d"},
      /* ports */
      {"http://example.com:80/", "http://example.com/"},
      {"https://example.com:443/", "https://example.com/"},
      {"https://example.com:80/", "https://example.com:80/"},
      {"http://example.com:8080/x", "http://example.com:8080/x"},
      {"http://example.com:65535", "http://example.com:65535/"},
      {"http://example.com:1", "http://example.com:1/"},
      {"http://example.com:00080/", "http://example.com/"},
      {"http://example.com:/x", "http://example.com/x"},
      /* addresses */
      {"http://127.0.0.1:1/", "http://127.0.0.1:1/"},
      {"http://255.255.255.255/", "http://255.255.255.255/"},
      {"http://[::1]/a", "http://[::1]/a"},
      {"http://[::1]:8080/a", "http://[::1]:8080/a"},
      {"https://[2001:DB8::A]:443", "https://[2001:db8::a]/"},
      {"http://[::]/", "http://[::]/"},
      {"http://[1::]/", "http://[1::]/"},
      {"http://[1:2:3:4:5:6:7:8]/", "http://[1:2:3:4:5:6:7:8]/"},
      {"http://[1:2:3:4:5:6:7::]/", "http://[1:2:3:4:5:6:7::]/"},
      {"http://[::2:3:4:5:6:7:8]/", "http://[::2:3:4:5:6:7:8]/"},
      {"http://[::ffff:10.0.0.1]/", "http://[::ffff:10.0.0.1]/"},
      {"http://[1:2:3:4:5:6:1.2.3.4]/", "http://[1:2:3:4:5:6:1.2.3.4]/"},
      {"http://[fe80::1]:?q", "http://[fe80::1]/?q"},
      /* names */
      {"http://a/", "http://a/"},
      {"http://my_host-1.example/", "http://my_host-1.example/"},
      {"http://example.com./", "http://example.com/"}, /* certificates know no root's dot */
      {"http://xn--fiq228c.example/", "http://xn--fiq228c.example/"},
      {"http://1.2.3.4.example/", "http://1.2.3.4.example/"},
      {"http://0x7f.example/", "http://0x7f.example/"},
      {"http://a1OracleKey.iot-as-mqtt.cn-shanghai.aliyuncs.com",
       "http://a1oraclekey.iot-as-mqtt.cn-shanghai.aliyuncs.com/"},
      /* spaces around a pasted URL, and bytes that no request line carries */
      {"  http://example.com/a  ", "http://example.com/a"},
      {"http://example.com/a b?c d", "http://example.com/a%20b?c%20d"},
      {"http://example.com/\xe5\x8d\x87?\xe7\xba\xa7", "http://example.com/%E5%8D%87?%E7%BA%A7"},
      {"http://example.com/\xff", "http://example.com/%FF"},
      {"http://example.com/a\"<>\\^`{|}b", "http://example.com/a%22%3C%3E%5C%5E%60%7B%7C%7Db"},
      {"http://example.com/a[1]?b[]=2", "http://example.com/a[1]?b[]=2"},
      /* what is encoded stays as it is: a signature covers it */
      {"http://example.com/%7e%2F%41?%2b+", "http://example.com/%7e%2F%41?%2b+"},
      {"http://example.com/100%", "http://example.com/100%"},
      {"http://example.com/%zz", "http://example.com/%zz"},
      {"http://example.com/a@b:c;d=e,f!$&'()*+", "http://example.com/a@b:c;d=e,f!$&'()*+"},
      {"http://example.com/?q=http://u@h/", "http://example.com/?q=http://u@h/"},
      /* dot segments */
      {"http://example.com/a/./b/../c", "http://example.com/a/c"},
      {"http://example.com/..", "http://example.com/"},
      {"http://example.com/../..//x", "http://example.com//x"},
      {"http://example.com/a/..", "http://example.com/"},
      {"http://example.com/a/b/.", "http://example.com/a/b/"},
      {"http://example.com/a/b/..", "http://example.com/a/"},
      {"http://example.com/.hidden/..x/...", "http://example.com/.hidden/..x/..."},
      {"http://example.com//a//b", "http://example.com//a//b"},
      {"http://example.com/%2e%2e/a", "http://example.com/%2e%2e/a"},
      {"https://ota.oss-cn-shanghai.aliyuncs.com/"
       "f.bin?Expires=1&OSSAccessKeyId=k&Signature=a%2Bb%3D&x-oss=1",
       "https://ota.oss-cn-shanghai.aliyuncs.com/"
       "f.bin?Expires=1&OSSAccessKeyId=k&Signature=a%2Bb%3D&x-oss=1"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_url url, again;
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (ik_url_parse(ik_str(rows[i].text), &url, detail) != 0)
      fail_msg("%s: %s", rows[i].text, detail);
    assert_url(&url, rows[i].want, rows[i].text);
    assert_int_equal(ik_url_parse(ik_str(rows[i].want), &again, NULL), 0);
    assert_url(&again, rows[i].want, "parsed again");
    ik_url_free(&url);
    ik_url_free(&again);
  }
}

static void fields(void **state) {
  struct ik_url url;
  (void)state;
  assert_int_equal(ik_url_parse(IK_STR("https://[2001:DB8::1]:8443/p?q"), &url, NULL), 0);
  assert_true(url.https);
  assert_true(url.host_is_ipv6);
  assert_int_equal(url.port, 8443);
  assert_string_equal(url.host, "2001:db8::1");
  assert_string_equal(url.authority, "[2001:db8::1]:8443");
  assert_string_equal(url.target, "/p?q");
  ik_url_free(&url);
  ik_url_free(&url);
  assert_int_equal(ik_url_parse(IK_STR("http://Host."), &url, NULL), 0);
  assert_false(url.https);
  assert_false(url.host_is_ipv6);
  assert_int_equal(url.port, 80);
  assert_string_equal(url.host, "host");
  ik_url_free(&url);
  assert_int_equal(ik_url_parse(IK_STR("https://[::1]"), &url, NULL), 0);
  assert_int_equal(url.port, 443);
  ik_url_free(&url);
}

static void refusals(void **state) {
  static const struct {
    const char *text;
    int rc;
    const char *says; /* part of the detail */
  } rows[] = {
      {"", IK_EURL, "without a scheme"},
      {"   ", IK_EURL, "without a scheme"},
      {"example.com/a", IK_EURL, "without a scheme"},
      {"//example.com/a", IK_EURL, "without a scheme"},
      {"/a", IK_EURL, "without a scheme"},
      {"://example.com", IK_EURL, "without a scheme"},
      {"1http://example.com", IK_EURL, "without a scheme"},
      {"ht tp://example.com", IK_EURL, "without a scheme"},
      {"ftp://example.com/a", IK_EURL_SCHEME, "\"ftp\""},
      {"file:///etc/passwd", IK_EURL_SCHEME, "\"file\""},
      {"localhost:8080/a", IK_EURL_SCHEME, "\"localhost\""},
      {"javascript:alert(1)", IK_EURL_SCHEME, "\"javascript\""},
      {"httpss://example.com", IK_EURL_SCHEME, "\"httpss\""},
      {"mqtt://example.com", IK_EURL_SCHEME, "\"mqtt\""},
      {"http:", IK_EURL, "no host"},
      {"http:/example.com", IK_EURL, "no host"},
      {"http:example.com", IK_EURL, "no host"},
      {"http://", IK_EURL, "no host"},
      {"http:///a", IK_EURL, "no host"},
      {"http://?q", IK_EURL, "no host"},
      {"http://#f", IK_EURL, "no host"},
      {"http://:80/", IK_EURL, "no host"},
      {"http://./", IK_EURL, "no host"},
      /* user names */
      {"http://user@example.com/", IK_EURL, "user name"},
      {"http://user:secret@example.com/", IK_EURL, "user name"},
      {"http://@example.com/", IK_EURL, "user name"},
      {"http://example.com:80@evil/", IK_EURL, "user name"},
      /* ports */
      {"http://example.com:0/", IK_EURL, "port"},
      {"http://example.com:65536/", IK_EURL, "port"},
      {"http://example.com:99999999999999999999999/", IK_EURL, "port"},
      {"http://example.com:-1/", IK_EURL, "port"},
      {"http://example.com:+80/", IK_EURL, "port"},
      {"http://example.com:8 0/", IK_EURL, "port"},
      {"http://example.com:80a/", IK_EURL, "port"},
      {"http://example.com:a/", IK_EURL, "port"},
      {"http://example.com:80:90/", IK_EURL, "character"},
      {"http://[::1]:0/", IK_EURL, "port"},
      {"http://[::1]:65536/", IK_EURL, "port"},
      {"http://[::1]x/", IK_EURL, "']'"},
      {"http://[::1]80/", IK_EURL, "']'"},
      /* names */
      {"http://exa mple.com/", IK_EURL, "character"},
      {"http://a..b/", IK_EURL, "empty label"},
      {"http://.a/", IK_EURL, "empty label"},
      {"http://a../", IK_EURL, "empty label"},
      {"http://%65xample.com/", IK_EURL, "character"},
      {"http://exa%00mple.com/", IK_EURL, "character"},
      {"http://ex\\ample.com/", IK_EURL, "'\\'"},
      {"http://good.com\\@evil.com/", IK_EURL, "'\\'"},
      {"http:\\\\example.com\\", IK_EURL, "no host"},
      {"http://b\xc3\xbc"
       "cher.example/",
       IK_EURL, "xn--"},
      {"http://\xe3\x80\x82/", IK_EURL, "xn--"},
      {"http://*.example.com/", IK_EURL, "character"},
      {"http://a,b/", IK_EURL, "character"},
      {"http://a|b/", IK_EURL, "character"},
      {"http://[email]/", IK_EURL, "IPv6"},
      {"http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b/", IK_EURL, "63"},
      /* what resolvers would take for an address */
      {"http://127.1/", IK_EURL, "neither"},
      {"http://2130706433/", IK_EURL, "neither"},
      {"http://0x7f000001/", IK_EURL, "neither"},
      {"http://0x7f.0.0.0x1/", IK_EURL, "neither"},
      {"http://0177.0.0.1/", IK_EURL, "neither"},
      {"http://010.0.0.1/", IK_EURL, "neither"},
      {"http://1.2.3.04/", IK_EURL, "neither"},
      {"http://[::1.2.3.04]/", IK_EURL, "IPv6"},
      {"http://256.0.0.1/", IK_EURL, "neither"},
      {"http://1.2.3.4.5/", IK_EURL, "neither"},
      {"http://1.2.3/", IK_EURL, "neither"},
      {"http://example.123/", IK_EURL, "neither"},
      {"http://0x/", IK_EURL, "neither"},
      /* IPv6 */
      {"http://[]/", IK_EURL, "IPv6"},
      {"http://[/", IK_EURL, "']'"},
      {"http://[::1/", IK_EURL, "']'"},
      {"http://::1/", IK_EURL, ""},
      {"http://[:]/", IK_EURL, "IPv6"},
      {"http://[:::]/", IK_EURL, "IPv6"},
      {"http://[1]/", IK_EURL, "IPv6"},
      {"http://[1:2:3:4:5:6:7]/", IK_EURL, "IPv6"},
      {"http://[1:2:3:4:5:6:7:8:9]/", IK_EURL, "IPv6"},
      {"http://[1:2:3:4:5:6:7:8::]/", IK_EURL, "IPv6"},
      {"http://[1::2::3]/", IK_EURL, "IPv6"},
      {"http://[1:::2]/", IK_EURL, "IPv6"},
      {"http://[::1:]/", IK_EURL, "IPv6"},
      {"http://[:1::2]/", IK_EURL, "IPv6"},
      {"http://[::12345]/", IK_EURL, "IPv6"},
      {"http://[::g]/", IK_EURL, "IPv6"},
      {"http://[1.2.3.4]/", IK_EURL, "IPv6"},
      {"http://[::1.2.3]/", IK_EURL, "IPv6"},
      {"http://[::1.2.3.256]/", IK_EURL, "IPv6"},
      {"http://[::1.2.3.4:5]/", IK_EURL, "IPv6"},
      {"http://[1:2:3:4:5:6:7:1.2.3.4]/", IK_EURL, "IPv6"},
      {"http://[fe80::1%25eth0]/", IK_EURL, "zone"},
      {"http://[fe80::1%eth0]/", IK_EURL, "zone"},
      {"http://[v1.fe80::a]/", IK_EURL, "IPv6"},
      {"http://[ ::1]/", IK_EURL, "IPv6"},
      /* control characters */
      {"http://example.com/a\tb", IK_EURL, "control"},
      {"http://example.com/a\r\nX: y", IK_EURL, "control"},
      {"\nhttp://example.com/", IK_EURL, "control"},
      {"http://exam\x7fple.com/", IK_EURL, "control"},
      {"http://example.com/?\x01", IK_EURL, "control"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_url url;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_url_parse(ik_str(rows[i].text), &url, detail);
    if (rc != rows[i].rc) fail_msg("%s: %d", rows[i].text, rc);
    if (!strstr(detail, rows[i].says)) fail_msg("%s: %s", rows[i].text, detail);
    assert_null(url.authority);
    assert_null(url.target);
    assert_int_equal(ik_url_parse(ik_str(rows[i].text), &url, NULL), rc);
  }
}

static void nul_is_a_control_character(void **state) {
  struct ik_url url;
  (void)state;
  assert_int_equal(ik_url_parse(IK_STR("http://a/\0b"), &url, NULL), IK_EURL);
  assert_int_equal(ik_url_parse(IK_STR("http://a\0.evil/"), &url, NULL), IK_EURL);
  assert_int_equal(ik_url_parse((struct ik_str){NULL, 0}, &url, NULL), IK_EURL);
}

/* A detail may be logged; queries hold signatures, user names passwords. */
static void details_keep_secrets(void **state) {
  static const char *const rows[] = {"http://u:SECRET@h/", "http://h:x/?k=SECRET",
                                     "ftp://SECRET/?SECRET", "http://a b/?SECRET"};
  struct ik_url url;
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    assert_true(ik_url_parse(ik_str(rows[i]), &url, detail) < 0);
    if (strstr(detail, "SECRET")) fail_msg("%s", detail);
  }
}

static void limits(void **state) {
  static char text[IK_URL_MAX + 2];
  struct ik_url url;
  char detail[IOTKIT_DETAIL_MAX];
  size_t head = strlen("https://h/");
  (void)state;
  memset(text, 'a', sizeof text);
  memcpy(text, "https://h/", head);
  assert_int_equal(ik_url_parse((struct ik_str){text, IK_URL_MAX}, &url, detail), 0);
  assert_int_equal(strlen(url.target), IK_URL_MAX - head + 1);
  ik_url_free(&url);
  assert_int_equal(ik_url_parse((struct ik_str){text, IK_URL_MAX + 1}, &url, detail), IK_ETOO_LONG);
  assert_non_null(strstr(detail, "8192"));
  memset(text + head, ' ', sizeof text - head);
  text[IK_URL_MAX / 2] = 'z'; /* grows threefold when encoded */
  assert_int_equal(ik_url_parse((struct ik_str){text, IK_URL_MAX / 2 + 1}, &url, detail),
                   IK_ETOO_LONG);
  assert_null(url.target);
  /* The target alone would fit; the URL to it would not parse again. */
  memset(text + head, ' ', sizeof text - head);
  text[head + (IK_URL_MAX - 2) / 3] = 'z';
  struct ik_str spaces = {text, head + (IK_URL_MAX - 2) / 3 + 1};
  assert_int_equal(ik_url_parse(spaces, &url, detail), IK_ETOO_LONG);
  assert_non_null(strstr(detail, "encoded"));
  /* Names: 253 characters, labels of 63. */
  memset(text, 'a', sizeof text);
  memcpy(text, "http://", 7);
  for (size_t i = 63; i < 253; i += 64)
    text[7 + i] = '.';
  text[7 + 253] = '/';
  assert_int_equal(ik_url_parse((struct ik_str){text, 7 + 254}, &url, detail), 0);
  assert_int_equal(strlen(url.host), 253);
  ik_url_free(&url);
  text[7 + 253] = 'a';
  text[7 + 254] = '/';
  assert_int_equal(ik_url_parse((struct ik_str){text, 7 + 255}, &url, detail), IK_EURL);
  assert_non_null(strstr(detail, "253"));
}

static void resolve(const char *base_text, const char *reference, const char *want) {
  struct ik_url base, url;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc;
  assert_int_equal(ik_url_parse(ik_str(base_text), &base, detail), 0);
  rc = ik_url_resolve(&base, ik_str(reference), &url, detail);
  if (rc != 0) fail_msg("%s: %s", reference, detail);
  assert_url(&url, want, reference);
  ik_url_free(&url);
  ik_url_free(&base);
}

/* RFC 3986 sections 5.4.1 and 5.4.2, whole; a fragment is never part of what is requested. */
static void references_of_rfc3986(void **state) {
  static const char *const rows[][2] = {
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},
      {"g;x", "http://a/b/c/g;x"},
      {"g;x?y#s", "http://a/b/c/g;x?y"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"g..", "http://a/b/c/g.."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/./x", "http://a/b/c/g?y/./x"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"g#s/./x", "http://a/b/c/g"},
      {"g#s/../x", "http://a/b/c/g"},
  };
  struct ik_url base, url;
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++)
    resolve("http://a/b/c/d;p?q", rows[i][0], rows[i][1]);
  assert_int_equal(ik_url_parse(IK_STR("http://a/b/c/d;p?q"), &base, NULL), 0);
  assert_int_equal(ik_url_resolve(&base, IK_STR("g:h"), &url, NULL), IK_EURL_SCHEME);
  /* The strict reading of section 5.4.2: a scheme without a host is no relative reference. */
  assert_int_equal(ik_url_resolve(&base, IK_STR("http:g"), &url, NULL), IK_EURL);
  ik_url_free(&base);
}

/* Browsers take them for "//host", RFC 3986 for a path: whoever checked one may mean the other. */
static void refuses_redirects_of_two_meanings(void **state) {
  (void)state;
  static const char *const rows[] = {"/\\evil", "\\\\evil/x", "\\/evil", " /\\evil", "/\\"};
  struct ik_url base, url;
  assert_int_equal(ik_url_parse(IK_STR("http://a/b/c"), &base, NULL), 0);
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_int_equal(ik_url_resolve(&base, ik_str(rows[i]), &url, NULL), IK_EURL);
  ik_url_free(&base);
}

static void references_of_redirects(void **state) {
  (void)state;
  resolve("http://a/b/c", "\\x", "http://a/b/%5Cx");
  resolve("https://a:8443/x?q", "/y", "https://a:8443/y");
  resolve("https://a:8443/x?q", "//b/y", "https://b/y");
  resolve("https://a:8443/x?q", "http://b/y", "http://b/y");
  resolve("https://[::1]:8443/x/y", "z", "https://[::1]:8443/x/z");
  resolve("http://a", "b", "http://a/b");
  resolve("http://a?q", "b", "http://a/b");
  resolve("http://a//b/c", "d", "http://a//b/d");
  resolve("http://a//b/c", "?d", "http://a//b/c?d");
  resolve("http://a//b/c", "", "http://a//b/c");
  resolve("http://a/b?c/d", "e", "http://a/e");
  resolve("http://a/b?", "", "http://a/b?");
  resolve("http://a/b?c", "?", "http://a/b?");
  resolve("http://a/b/c", ".//d", "http://a/b//d");
  resolve("http://a/b", " /c d ", "http://a/c%20d");
  resolve("http://a/b c", "d e", "http://a/d%20e");
  resolve("http://a/b", "./c:d", "http://a/c:d");
  resolve("http://a/b", "1:d", "http://a/1:d");
}

static void references_refused(void **state) {
  static char longest[IK_URL_MAX];
  struct ik_url base, url;
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  assert_int_equal(ik_url_parse(IK_STR("https://a/b/"), &base, NULL), 0);
  assert_int_equal(ik_url_resolve(&base, IK_STR("//u:p@b/"), &url, detail), IK_EURL);
  assert_int_equal(ik_url_resolve(&base, IK_STR("///b"), &url, detail), IK_EURL);
  assert_int_equal(ik_url_resolve(&base, IK_STR("/a\rb"), &url, detail), IK_EURL);
  assert_int_equal(ik_url_resolve(&base, IK_STR("ftp://b/"), &url, detail), IK_EURL_SCHEME);
  assert_int_equal(ik_url_resolve(&base, IK_STR("//b:0/"), &url, detail), IK_EURL);
  memset(longest, 'x', sizeof longest);
  assert_int_equal(ik_url_resolve(&base, (struct ik_str){longest, sizeof longest}, &url, detail),
                   IK_ETOO_LONG);
  assert_null(url.target);
  ik_url_free(&base);
}

/* Any bytes: no crash, and whatever is accepted is stable and fit for a request line. */
static void random_texts(void **state) {
  static const char *const pieces[] = {"http",  "https", ":",   "/",        "//",          "@",
                                       "[",     "]",     "::1", ".",        "..",          "?",
                                       "#",     "%",     "%41", "a",        "example.com", "80",
                                       "65536", "\\",    " ",   "\xc3\xa9", "1.2.3.4"};
  struct rng rng = rng_start("url");
  struct ik_url base;
  unsigned accepted = 0;
  (void)state;
  assert_int_equal(ik_url_parse(IK_STR("https://base:1/d/e?f"), &base, NULL), 0);
  for (int i = 0; i < 30000; i++) {
    struct ik_buf text;
    struct ik_url url, again;
    struct ik_buf whole;
    ik_buf_init(&text, 4096);
    ik_buf_init(&whole, 16384);
    if (rng_below(&rng, 2)) assert_int_equal(ik_buf_append_str(&text, "http://"), 0);
    for (size_t n = rng_below(&rng, 12); n > 0; n--) {
      assert_int_equal(ik_buf_append_str(&text, pieces[rng_below(&rng, COUNT(pieces))]), 0);
    }
    struct ik_str given = {(const char *)ik_buf_ptr(&text), ik_buf_size(&text)};
    int rc = rng_below(&rng, 2) ? ik_url_parse(given, &url, NULL)
                                : ik_url_resolve(&base, given, &url, NULL);
    if (rc == 0) {
      accepted++;
      assert_int_equal(url.target[0], '/');
      for (const char *c = url.target; *c; c++)
        assert_in_range((unsigned char)*c, 0x21, 0x7e);
      assert_int_equal(
          ik_buf_printf(&whole, "http%s://%s%s", url.https ? "s" : "", url.authority, url.target),
          0);
      assert_int_equal(ik_buf_append_u8(&whole, 0), 0);
      assert_int_equal(ik_url_parse(ik_str((const char *)ik_buf_ptr(&whole)), &again, NULL), 0);
      assert_url(&again, (const char *)ik_buf_ptr(&whole), "again");
      assert_string_equal(url.host, again.host);
      assert_int_equal(url.port, again.port);
      ik_url_free(&again);
      ik_url_free(&url);
    } else {
      assert_null(url.target);
    }
    ik_buf_free(&text);
    ik_buf_free(&whole);
  }
  assert_true(accepted > 100);
  ik_url_free(&base);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(normal_forms),
      cmocka_unit_test(fields),
      cmocka_unit_test(refusals),
      cmocka_unit_test(nul_is_a_control_character),
      cmocka_unit_test(details_keep_secrets),
      cmocka_unit_test(limits),
      cmocka_unit_test(references_of_rfc3986),
      cmocka_unit_test(refuses_redirects_of_two_meanings),
      cmocka_unit_test(references_of_redirects),
      cmocka_unit_test(references_refused),
      cmocka_unit_test(random_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
