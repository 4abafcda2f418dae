/* Proxy URLs, where they come from, and which hosts they are for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "net/proxy.h"
#include "support/cm.h"
#include "support/rng.h"

/* What Proxy-Authorization says, decoded; "" for none. */
static void credentials(const struct ik_proxy *proxy, char out[1024]) {
  uint8_t plain[1024];
  struct ik_str text = ik_str(proxy->authorization);
  out[0] = '\0';
  if (text.len == 0) return;
  assert_memory_equal(text.ptr, "Basic ", 6);
  ptrdiff_t n =
      ik_base64_decode((struct ik_str){text.ptr + 6, text.len - 6}, plain, sizeof plain - 1);
  assert_true(n > 0);
  memcpy(out, plain, (size_t)n);
  out[n] = '\0';
}

static void parses(void **state) {
  (void)state;
  static const struct {
    const char *url, *host, *credentials;
    uint16_t port;
  } rows[] = {
      {"http://proxy.example", "proxy.example", "", 80},
      {"http://proxy.example/", "proxy.example", "", 80},
      {"http://proxy.example:3128", "proxy.example", "", 3128},
      {"HTTP://Proxy.Example:3128/", "proxy.example", "", 3128},
      {"proxy.example:3128", "proxy.example", "", 3128},
      {"proxy", "proxy", "", 80},
      {"localhost:1", "localhost", "", 1},
      {"  http://proxy:65535  ", "proxy", "", 65535},
      {"http://proxy:", "proxy", "", 80},
      {"http://10.0.0.1:8080", "10.0.0.1", "", 8080},
      {"http://[::1]", "::1", "", 80},
      {"http://[FD00::1]:8080/", "fd00::1", "", 8080},
      {"http://user:pass@proxy:1", "proxy", "user:pass", 1},
      {"user:pass@proxy:1", "proxy", "user:pass", 1},
      {"http://user@proxy:1", "proxy", "user:", 1},
      {"http://user:@proxy:1", "proxy", "user:", 1},
      {"http://:pass@proxy:1", "proxy", ":pass", 1},
      {"http://@proxy:1", "proxy", "", 1},
      {"http://user:pa:ss@proxy", "proxy", "user:pa:ss", 80},
      {"http://us%40er:p%3a%2F%23%25@proxy", "proxy", "us@er:p:/#%", 80},
      {"http://user:p@ss@proxy", "proxy", "user:p@ss", 80},
      {"http://user:p+s s@proxy", "proxy", "user:p+s s", 80},
      {"http://us%C3%A9r:\xc3\xa9@[::1]:9", "::1", "us\xc3\xa9r:\xc3\xa9", 9},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_proxy proxy;
    char detail[IOTKIT_DETAIL_MAX] = "", text[1024];
    int rc = ik_proxy_parse(ik_str(rows[i].url), &proxy, detail);
    if (rc != 0) fail_msg("%s: %d %s", rows[i].url, rc, detail);
    credentials(&proxy, text);
    assert_string_equal(proxy.host, rows[i].host);
    assert_int_equal(proxy.port, rows[i].port);
    assert_string_equal(text, rows[i].credentials);
  }
}

static void refuses(void **state) {
  (void)state;
  static const struct {
    const char *url;
    int error;
    const char *detail;
  } rows[] = {
      {"", IK_EURL, "the proxy has no host"},
      {"http://", IK_EURL, "the proxy has no host"},
      {"http://secret:s3cret@", IK_EURL, "the proxy has no host"},
      {"http://:80", IK_EURL, "the proxy has no host"},
      {"http://proxy:0", IK_EURL, "the proxy has a malformed port"},
      {"http://proxy:65536", IK_EURL, "the proxy has a malformed port"},
      {"http://proxy:80x", IK_EURL, "the proxy has a malformed port"},
      {"http://proxy:-1", IK_EURL, "the proxy has a malformed port"},
      {"http://pro xy", IK_EURL, "the proxy has host name with a character that none can have"},
      {"http://[::1", IK_EURL, NULL},
      {"http://::1", IK_EURL, NULL},
      {"http://127.1", IK_EURL, NULL},
      {"http://proxy/path", IK_EURL, "the proxy has something behind host and port"},
      {"http://proxy?a", IK_EURL, "the proxy has something behind host and port"},
      {"http://secret:s3cret#1@proxy", IK_EURL, "the proxy has something behind host and port"},
      {"http://secret:s3cret/1@proxy", IK_EURL, "the proxy has something behind host and port"},
      {"http://secret:s3cret%@proxy", IK_EURL,
       "the proxy has a '%' in user or password that two hex digits do not follow"},
      {"http://secret:s3cret%4@proxy", IK_EURL, NULL},
      {"http://secret:s3cret%4g@proxy", IK_EURL, NULL},
      {"http://secret%0d%0aX:s3cret@proxy", IK_EURL,
       "the proxy has a character in user or password that none can have"},
      {"http://secret:s3cret%00@proxy", IK_EURL, NULL},
      {"http://secret:s3cret\r\n@proxy", IK_EURL, NULL},
      {"http://secret%3a:s3cret@proxy", IK_EURL, NULL},
      {"https://secret:s3cret@proxy", IK_EUNSUPPORTED,
       "the proxy is a proxy over https; only http:// ones are supported"},
      {"SOCKS5h://secret:s3cret@proxy", IK_EUNSUPPORTED,
       "the proxy is a proxy over socks5h; only http:// ones are supported"},
      {"socks4://proxy", IK_EUNSUPPORTED, NULL},
      {"s3cret://proxy", IK_EUNSUPPORTED, "the proxy has a scheme that is not http"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_proxy proxy;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_proxy_parse(ik_str(rows[i].url), &proxy, detail);
    if (rc != rows[i].error) fail_msg("%s: %d %s", rows[i].url, rc, detail);
    assert_string_not_equal(detail, "");
    if (rows[i].detail != NULL) assert_string_equal(detail, rows[i].detail);
    assert_null(strstr(detail, "ecret"));
    assert_string_equal(proxy.authorization, "");
    assert_int_equal(ik_proxy_parse(ik_str(rows[i].url), &proxy, NULL), rc);
  }
}

static void limits_the_lengths(void **state) {
  (void)state;
  struct ik_proxy proxy;
  char url[1024], detail[IOTKIT_DETAIL_MAX], text[1024];
  for (size_t len = 254; len <= 257; len++) {
    memset(url, 'u', len);
    url[len] = ':';
    memset(url + len + 1, 'p', len);
    memcpy(url + 2 * len + 1, "@proxy", sizeof "@proxy");
    int rc = ik_proxy_parse(ik_str(url), &proxy, detail);
    assert_int_equal(rc, len <= 255 ? 0 : IK_ETOO_LONG);
    if (rc == 0) credentials(&proxy, text);
    if (rc == 0) assert_int_equal(strlen(text), 2 * len + 1);
  }
  static char huge[16384];
  memset(huge, 'a', sizeof huge - 1);
  assert_int_equal(ik_proxy_parse(ik_str(huge), &proxy, detail), IK_ETOO_LONG);
}

/* Whatever is mangled: no crash, and no text of an error has a piece of the password. */
static void random_changes(void **state) {
  (void)state;
  struct rng rng = rng_start("proxy");
  static const char pieces[] = "http://:@/%?#[]. \r\n\x80"
                               "a1";
  for (int round = 0; round < 20000; round++) {
    char url[] = "http://user:XQZJKV@proxy.example:3128/", detail[IOTKIT_DETAIL_MAX] = "";
    struct ik_proxy proxy;
    for (size_t n = rng_below(&rng, 4); n > 0; n--)
      url[rng_below(&rng, sizeof url - 1)] = pieces[rng_below(&rng, sizeof pieces - 1)];
    int rc = ik_proxy_parse(ik_str(url), &proxy, detail);
    if (rc == 0) {
      assert_true(proxy.port != 0 && proxy.host[0] != '\0');
    } else {
      assert_true(rc == IK_EURL || rc == IK_EUNSUPPORTED);
      assert_null(strstr(detail, "QZ"));
      assert_null(strstr(detail, "JK"));
    }
  }
}

/* ---- where it comes from ---- */

static const char *const variables[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static int clean_environment(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(variables); i++)
    unsetenv(variables[i]);
  return 0;
}

/* The chosen proxy's host, "-" for none, "!" for an error. */
static const char *chosen(const struct ik_proxies *proxies, bool https, const char *host,
                          char *detail) {
  static struct ik_proxy proxy;
  int rc = ik_proxies_choose(proxies, https, host, https ? 443 : 80, &proxy, detail);
  return rc < 0 ? "!" : rc == 0 ? "-" : proxy.host;
}

static void the_environment_is_read_as_curl_does(void **state) {
  (void)state;
  static const struct {
    const char *set[4][2];
    const char *http, *https;
  } rows[] = {
      {{{0}}, "-", "-"},
      {{{"http_proxy", "http://a"}}, "a", "-"},
      {{{"https_proxy", "http://a"}}, "-", "a"},
      {{{"HTTPS_PROXY", "http://a"}}, "-", "a"},
      {{{"HTTP_PROXY", "http://a"}}, "-", "-"}, /* a CGI program's request field "Proxy" */
      {{{"https_proxy", "http://a"}, {"HTTPS_PROXY", "http://b"}}, "-", "a"},
      {{{"https_proxy", ""}, {"HTTPS_PROXY", "http://b"}}, "-", "b"},
      {{{"ALL_PROXY", "http://a"}}, "a", "a"},
      {{{"all_proxy", "http://a"}, {"ALL_PROXY", "http://b"}}, "a", "a"},
      {{{"all_proxy", "http://a"}, {"http_proxy", "http://b"}}, "b", "a"},
      {{{"all_proxy", "http://a"}, {"http_proxy", "b"}, {"https_proxy", "c"}}, "b", "c"},
      {{{"all_proxy", "http://a"}, {"no_proxy", "host.example"}}, "-", "-"},
      {{{"https_proxy", " \thttp://a:1 \r\n"}}, "-", "a"},
      {{{"https_proxy", " "}, {"HTTPS_PROXY", "\nhttp://b\n"}}, "-", "b"},
      {{{"all_proxy", "http://a/path/"}}, "a", "a"},
      {{{"all_proxy", "a:1/x?y#z"}}, "a", "a"},
      {{{"all_proxy", "http://a?y"}, {"no_proxy", " "}, {"NO_PROXY", "host.example"}}, "-", "-"},
      {{{"all_proxy", "http://a"}, {"NO_PROXY", "host.example:443"}}, "a", "-"},
      {{{"all_proxy", "http://a"}, {"no_proxy", "x"}, {"NO_PROXY", "host.example"}}, "a", "a"},
      {{{"all_proxy", "http://a"}, {"no_proxy", ""}, {"NO_PROXY", "*"}}, "-", "-"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_proxies proxies;
    char detail[IOTKIT_DETAIL_MAX] = "";
    clean_environment(NULL);
    for (size_t k = 0; k < 4 && rows[i].set[k][0] != NULL; k++)
      setenv(rows[i].set[k][0], rows[i].set[k][1], 1);
    assert_int_equal(ik_proxies_init(&proxies, NULL, NULL, NULL, detail), 0);
    clean_environment(NULL); /* it was copied */
    const char *http = chosen(&proxies, false, "host.example", detail);
    if (strcmp(http, rows[i].http) != 0) fail_msg("row %zu: http %s", i, http);
    const char *https = chosen(&proxies, true, "host.example", detail);
    if (strcmp(https, rows[i].https) != 0) fail_msg("row %zu: https %s", i, https);
    ik_proxies_free(&proxies);
  }
}

/* A variable that other programs understand must not keep a device from what needs no proxy. */
static void a_wrong_environment_is_told_to_whom_it_concerns(void **state) {
  (void)state;
  struct ik_proxies proxies;
  char detail[IOTKIT_DETAIL_MAX] = "";
  setenv("https_proxy", "socks5://user:s3cret@gate", 1);
  setenv("no_proxy", "inside.example", 1);
  assert_int_equal(ik_proxies_init(&proxies, NULL, NULL, NULL, detail), 0);
  assert_string_equal(chosen(&proxies, false, "host.example", detail), "-");
  assert_string_equal(chosen(&proxies, true, "a.inside.example", detail), "-");
  assert_string_equal(chosen(&proxies, true, "host.example", detail), "!");
  assert_string_equal(detail,
                      "https_proxy is a proxy over socks5; only http:// ones are supported");
  ik_proxies_free(&proxies);
}

static void each_unusable_variable_is_named_by_who_needs_it(void **state) {
  (void)state;
  static const struct {
    const char *value, *detail;
  } rows[] = {
      {"ftp://gate", "ALL_PROXY has a scheme that is not http"},
      {"https://gate", "ALL_PROXY is a proxy over https; only http:// ones are supported"},
      {"http://gate:0", "ALL_PROXY has a malformed port"},
      {"http://gate:65536/", "ALL_PROXY has a malformed port"},
      {"http://", "ALL_PROXY has no host"},
      {"/", "ALL_PROXY has no host"},
      {"http://u:1/s3cret@gate", "ALL_PROXY has something behind host and port"},
      {"http://u:s3cret%zz@gate",
       "ALL_PROXY has a '%' in user or password that two hex digits do not follow"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    for (int given = 0; given < 2; given++) {
      struct ik_proxies proxies;
      char detail[IOTKIT_DETAIL_MAX] = "";
      char variable[128];
      snprintf(variable, sizeof variable, "ALL_PROXY=%s", rows[i].value);
      if (given == 0) setenv("ALL_PROXY", rows[i].value, 1);
      const char *option = given == 0 ? NULL : variable;
      assert_int_equal(ik_proxies_init(&proxies, option, NULL, "near.example", detail), 0);
      clean_environment(NULL);
      assert_string_equal(chosen(&proxies, true, "near.example", detail), "-");
      assert_string_equal(detail, "");
      assert_string_equal(chosen(&proxies, true, "host.example", detail), "!");
      assert_string_equal(detail, rows[i].detail);
      ik_proxies_free(&proxies);
    }
  }
}

/* As a program hands them over that has read the environment itself. */
static void variables_may_be_options(void **state) {
  (void)state;
  struct ik_proxies proxies;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_proxies_init(&proxies, "http_proxy= a/x ", "HTTPS_PROXY=http://b:1",
                                   "NO_PROXY=near.example", detail),
                   0);
  assert_string_equal(chosen(&proxies, false, "host.example", detail), "a");
  assert_string_equal(chosen(&proxies, true, "host.example", detail), "b");
  assert_string_equal(chosen(&proxies, true, "near.example", detail), "-");
  ik_proxies_free(&proxies);
  assert_int_equal(ik_proxies_init(&proxies, "http_proxy= ", "", NULL, detail), 0);
  assert_string_equal(chosen(&proxies, false, "host.example", detail), "-");
  ik_proxies_free(&proxies);
  /* Another name is a user's. */
  assert_int_equal(ik_proxies_init(&proxies, "x_proxy=a@b", NULL, "", detail), 0);
  assert_string_equal(chosen(&proxies, false, "host.example", detail), "b");
  ik_proxies_free(&proxies);
}

static void a_list_that_is_too_long_is_named_by_who_needs_it(void **state) {
  (void)state;
  static char huge[16384] = "NO_PROXY=";
  memset(huge + 9, 'a', sizeof huge - 10);
  for (int given = 0; given < 2; given++) {
    struct ik_proxies proxies;
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (given == 0) setenv("NO_PROXY", huge + 9, 1);
    assert_int_equal(ik_proxies_init(&proxies, "", "http://a", given == 0 ? NULL : huge, detail),
                     0);
    clean_environment(NULL);
    assert_string_equal(chosen(&proxies, false, "host.example", detail), "-");
    assert_string_equal(chosen(&proxies, true, "host.example", detail), "!");
    assert_string_equal(detail, "NO_PROXY is longer than 8192 bytes");
    ik_proxies_free(&proxies);
  }
}

static void options_win_over_the_environment(void **state) {
  (void)state;
  static const struct {
    const char *proxy, *https_proxy, *no_proxy, *http, *https;
  } rows[] = {
      {NULL, NULL, NULL, "env", "env"},   {"", NULL, NULL, "-", "-"},
      {"", "", NULL, "-", "-"},           {"http://a", NULL, NULL, "a", "a"},
      {"http://a", "", NULL, "a", "-"},   {"http://a", "http://b", NULL, "a", "b"},
      {NULL, "http://b", NULL, "-", "b"}, {"http://a", NULL, "host.example", "-", "-"},
      {NULL, NULL, "*", "-", "-"},        {NULL, NULL, "", "env", "env"},
  };
  setenv("all_proxy", "http://env", 1);
  setenv("NO_PROXY", "near.example", 1);
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_proxies proxies;
    char detail[IOTKIT_DETAIL_MAX] = "";
    assert_int_equal(
        ik_proxies_init(&proxies, rows[i].proxy, rows[i].https_proxy, rows[i].no_proxy, detail), 0);
    const char *http = chosen(&proxies, false, "host.example", detail);
    if (strcmp(http, rows[i].http) != 0) fail_msg("row %zu: http %s", i, http);
    const char *https = chosen(&proxies, true, "host.example", detail);
    if (strcmp(https, rows[i].https) != 0) fail_msg("row %zu: https %s", i, https);
    bool any = rows[i].no_proxy == NULL; /* then the environment's list holds */
    if (any) assert_string_equal(chosen(&proxies, false, "near.example", detail), "-");
    ik_proxies_free(&proxies);
  }
}

static void wrong_options_are_told_at_once(void **state) {
  (void)state;
  struct ik_proxies proxies;
  char detail[IOTKIT_DETAIL_MAX] = "";
  static char huge[16384];
  memset(huge, 'a', sizeof huge - 1);
  assert_int_equal(ik_proxies_init(&proxies, "http://:1", NULL, NULL, detail), IK_EURL);
  assert_int_equal(ik_proxies_init(&proxies, "http://a", "socks5://b", NULL, detail),
                   IK_EUNSUPPORTED);
  assert_null(proxies.urls[0]);
  assert_int_equal(ik_proxies_init(&proxies, "http://a", NULL, huge, detail), IK_ETOO_LONG);
  assert_string_equal(detail, "the list of hosts without proxy is longer than 8192 bytes");
  assert_int_equal(ik_proxies_init(&proxies, "http://a/path", NULL, NULL, detail), IK_EURL);
}

#define WITH_ENVIRONMENT(test)                                                                     \
  cmocka_unit_test_setup_teardown(test, clean_environment, clean_environment)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parses),
      cmocka_unit_test(refuses),
      cmocka_unit_test(limits_the_lengths),
      cmocka_unit_test(random_changes),
      WITH_ENVIRONMENT(the_environment_is_read_as_curl_does),
      WITH_ENVIRONMENT(a_wrong_environment_is_told_to_whom_it_concerns),
      WITH_ENVIRONMENT(each_unusable_variable_is_named_by_who_needs_it),
      WITH_ENVIRONMENT(variables_may_be_options),
      WITH_ENVIRONMENT(a_list_that_is_too_long_is_named_by_who_needs_it),
      WITH_ENVIRONMENT(options_win_over_the_environment),
      WITH_ENVIRONMENT(wrong_options_are_told_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
