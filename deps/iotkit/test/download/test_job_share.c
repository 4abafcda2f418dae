/* Which jobs may have what another one fetches; what else a copied job obeys is in save/test_copy.c. */
#include "download/job.h"

#include <stdio.h>
#include <string.h>

#include "support/cm.h"

#define MD5 "\"signMethod\":\"Md5\",\"sign\":\"93230c3bde425a9d7984a594ac55ea1e\""
#define SHA256                                                                                     \
  "\"signMethod\":\"SHA256\",\"sign\":"                                                            \
  "\"93230c3bde425a9d7984a594ac55ea1e93230c3bde425a9d7984a594ac55ea1e\""

static void key_of(const char *url, const char *digest, unsigned size,
                   const struct iotkit_fetch_options *options, uint8_t key[IOTKIT_DIGEST_MAX]) {
  struct iotkit_fetch_options own = options ? *options : (struct iotkit_fetch_options){0};
  char json[512], detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  own.proxy = "";
  snprintf(json, sizeof json,
           "{\"message\":\"success\",\"data\":{\"size\":%u,\"version\":\"2\",\"url\":\"%s\",%s}}",
           size, url, digest);
  if (iotkit_job_parse(json, strlen(json), &own, &job, detail) != 0) fail_msg("%s", detail);
  assert_int_equal(iotkit_job_share_key(job, key), 0);
  iotkit_job_unref(job);
}

static bool same(const char *one, const char *other, const char *digest,
                 const struct iotkit_fetch_options *others) {
  uint8_t a[IOTKIT_DIGEST_MAX], b[IOTKIT_DIGEST_MAX];
  key_of(one, digest, 10, NULL, a);
  key_of(other, digest, 10, others, b);
  return memcmp(a, b, sizeof a) == 0;
}

static void a_strong_digest_is_enough(void **state) {
  const struct iotkit_fetch_options strict = {.https_only = true, .allowed_hosts = "b.example"};
  uint8_t a[IOTKIT_DIGEST_MAX], b[IOTKIT_DIGEST_MAX];
  (void)state;
  assert_true(same("http://a.example/1", "https://b.example/2", SHA256, &strict));
  key_of("http://a.example/1", SHA256, 10, NULL, a);
  key_of("http://a.example/1", SHA256, 11, NULL, b);
  assert_memory_not_equal(a, b, sizeof a);
  key_of("http://a.example/1", MD5, 10, NULL, b);
  assert_memory_not_equal(a, b, sizeof a);
}

static void with_a_weak_one_all_that_is_trusted_counts(void **state) {
  static const char *const others[] = {"https://a.example/1", "http://b.example/1",
                                       "http://a.example:81/1", "http://a.example/2"};
  static const struct iotkit_fetch_options rules[] = {
      {.https_only = true}, {.allowed_hosts = "a.example"}, {.product_key = "p"}};
  (void)state;
  assert_true(same("http://a.example/1?e=1&s=x", "http://a.example/1?e=2&s=y", MD5, NULL));
  for (size_t i = 0; i < COUNT(others); i++)
    assert_false(same("http://a.example/1", others[i], MD5, NULL));
  for (size_t i = 0; i < COUNT(rules); i++)
    assert_false(same("http://a.example/1", "http://a.example/1", MD5, &rules[i]));
}

static void a_limit_is_shared_by_those_it_limits(void **state) {
  iotkit_limiter_t *limiter;
  uint8_t a[IOTKIT_DIGEST_MAX], b[IOTKIT_DIGEST_MAX];
  (void)state;
  assert_int_equal(iotkit_limiter_new(0, &limiter), 0);
  const struct iotkit_fetch_options limited = {.limiters = {NULL, limiter}};
  assert_true(same("http://a.example/1", "http://a.example/1", SHA256, &limited));
  iotkit_limiter_set(limiter, 1024);
  assert_false(same("http://a.example/1", "http://a.example/1", SHA256, &limited));
  key_of("http://a.example/1", SHA256, 10, &limited, a);
  key_of("http://a.example/1", SHA256, 10, &limited, b);
  assert_memory_equal(a, b, sizeof a);
  iotkit_limiter_unref(limiter);
}

static void several_files_have_a_key_each(void **state) {
  static const char json[] =
      "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"signMethod\":\"Md5\",\"files\":["
      "{\"fileSize\":1,\"fileName\":\"a\",\"fileUrl\":\"http://a.example/a\",\"fileSign\":"
      "\"93230c3bde425a9d7984a594ac55ea1e\"},"
      "{\"fileSize\":1,\"fileName\":\"b\",\"fileUrl\":\"http://a.example/b\",\"fileSign\":"
      "\"93230c3bde425a9d7984a594ac55ea1e\"}]}}";
  uint8_t keys[2][IOTKIT_DIGEST_MAX];
  iotkit_job_t *job, *file;
  (void)state;
  assert_int_equal(iotkit_job_parse(json, strlen(json), NULL, &job, NULL), 0);
  assert_int_equal(iotkit_job_share_key(job, keys[0]), IK_EUNSUPPORTED);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(iotkit_job_open_file(job, i, &file), 0);
    assert_int_equal(iotkit_job_share_key(file, keys[i]), 0);
    iotkit_job_unref(file);
  }
  iotkit_job_unref(job);
  assert_memory_not_equal(keys[0], keys[1], sizeof keys[0]);
}

static void refused_calls(void **state) {
  uint8_t key[IOTKIT_DIGEST_MAX];
  (void)state;
  assert_int_equal(iotkit_job_share_key(NULL, key), IK_EINVALID_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_strong_digest_is_enough),
      cmocka_unit_test(with_a_weak_one_all_that_is_trusted_counts),
      cmocka_unit_test(a_limit_is_shared_by_those_it_limits),
      cmocka_unit_test(several_files_have_a_key_each),
      cmocka_unit_test(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
