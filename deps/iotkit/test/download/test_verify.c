/*
 * What must be signed before a job fetches its first byte, with real keys and signatures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "download/job.h"
#include "download/job_private.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/signatures.h"

#define SHA256_OF "\"signMethod\":\"SHA256\",\"sign\":\"" IMAGE_SHA256 "\""
#define MD5_OF "\"md5\":\"" IMAGE_MD5 "\""
#define SIGNED(signature) ",\"digestsign\":\"" signature "\""
#define FILES                                                                                      \
  "\"signMethod\":\"SHA256\",\"files\":[{\"fileSize\":24,\"fileName\":\"f\",\"fileUrl\":"          \
  "\"http://127.0.0.1:1/f\",\"fileSign\":\"" IMAGE_SHA256 "\"}]"

static iotkit_job_t *make(const char *data, unsigned port,
                          const struct iotkit_fetch_options *options) {
  char json[4096];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  int len = strstr(data, "files") != NULL
                ? snprintf(json, sizeof(json),
                           "{\"message\":\"success\",\"data\":{\"version\":\"2\",%s}}", data)
                : snprintf(json, sizeof(json),
                           "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"size\":24,"
                           "\"url\":\"http://127.0.0.1:%u/f\",%s}}",
                           port, data);
  assert_true(len > 0 && (size_t)len < sizeof(json));
  if (iotkit_job_parse(json, (size_t)len, options, &job, detail) != 0) fail_msg("%s", detail);
  return job;
}

static iotkit_keys_t *keys_of(const char *pem) {
  iotkit_keys_t *keys = NULL;
  if (pem != NULL) assert_int_equal(iotkit_keys_new(pem, 0, &keys, NULL), 0);
  return keys;
}

static int give(iotkit_job_t *job, enum iotkit_signed what, const char *base64) {
  uint8_t raw[1024];
  ptrdiff_t len = ik_base64_decode(ik_str(base64), raw, sizeof(raw));
  assert_true(len > 0);
  return iotkit_job_set_signature(job, what, raw, (size_t)len);
}

static int verify(const iotkit_job_t *job, char *detail) {
  return ik_verify_announced(&job->setup.announcement, &job->setup.config->options,
                             &job->setup.signature, detail);
}

/* Nothing said, require_signature, allow_unsigned. */
enum rule { PLAIN, REQUIRE, ALLOW };

#define D IOTKIT_SIGNED_DIGEST
#define I IOTKIT_SIGNED_IMAGE

static const struct {
  const char *name;
  const char *data;
  const char *keys; /* NULL: none */
  enum rule rule;
  const char *given; /* NULL: none */
  enum iotkit_signed over;
  int rc;
  const char *excerpt;
} rows[] = {
    {"no keys, no signature", SHA256_OF, NULL, PLAIN, NULL, D, 0, ""},
    {"no keys: a signature is not looked at", SHA256_OF SIGNED("AAEC"), NULL, PLAIN, NULL, D, 0,
     ""},
    {"no signature", SHA256_OF, KEY_P256, PLAIN, NULL, D, IK_ESIGNATURE_MISSING, "allow_unsigned"},
    {"no signature, MD5", MD5_OF, KEY_P256, PLAIN, NULL, D, IK_ESIGNATURE_MISSING,
     "verify.allowUnsigned"},
    {"an empty signature is none", SHA256_OF SIGNED(""), KEY_P256, PLAIN, NULL, D,
     IK_ESIGNATURE_MISSING, "digestsign: is missing"},
    {"no signature, which is allowed", SHA256_OF, KEY_P256, ALLOW, NULL, D, 0, ""},
    {"allowed, and no keys", SHA256_OF, NULL, ALLOW, NULL, D, 0, ""},
    {"allowed to be missing, not to be wrong", SHA256_OF SIGNED(SIGNED_MD5_RSA_2048), KEY_RSA_2048,
     ALLOW, NULL, D, IK_ESIGNATURE, "digestsign: "},
    {"allowed to be missing, ours is wrong", SHA256_OF, KEY_P256, ALLOW, SIGNED_MD5_P256, D,
     IK_ESIGNATURE, "signature: "},
    {"required and missing", SHA256_OF, KEY_P256, REQUIRE, NULL, D, IK_ESIGNATURE_MISSING,
     "digestsign: is missing"},
    {"the platform's, RSA over SHA-256", SHA256_OF SIGNED(SIGNED_SHA256_RSA_2048), KEY_RSA_2048,
     REQUIRE, NULL, D, 0, ""},
    {"the platform's, RSA over MD5", MD5_OF SIGNED(SIGNED_MD5_RSA_2048), KEY_RSA_2048, REQUIRE,
     NULL, D, 0, ""},
    {"the platform's, of 8 keys the last", SHA256_OF SIGNED(SIGNED_SHA256_RSA_2048),
     KEY_P256 KEY_ED25519 KEY_RSA_4096 KEY_P256 KEY_P256 KEY_P256 KEY_P256 KEY_RSA_2048, REQUIRE,
     NULL, D, 0, ""},
    {"the platform's, another key", SHA256_OF SIGNED(SIGNED_SHA256_RSA_2048), KEY_RSA_4096, REQUIRE,
     NULL, D, IK_ESIGNATURE, "digestsign: the public key did not make the signature"},
    {"the platform's, wrong though not required", SHA256_OF SIGNED(SIGNED_MD5_RSA_2048),
     KEY_RSA_2048, PLAIN, NULL, D, IK_ESIGNATURE, "digestsign: "},
    {"the platform's, over the hexadecimal text or the image",
     SHA256_OF SIGNED(SIGNED_IMAGE_RSA_2048), KEY_RSA_2048, PLAIN, NULL, D, IK_ESIGNATURE,
     "digestsign: "},
    {"the platform's, four bytes long", SHA256_OF SIGNED("AAECAw=="), KEY_RSA_2048, PLAIN, NULL, D,
     IK_ESIGNATURE, "digestsign: "},
    {"the platform's, not base64", SHA256_OF SIGNED("%%"), KEY_RSA_2048, PLAIN, NULL, D,
     IK_ESIGNATURE, "digestsign: is not base64"},
    {"the platform's, not a text", SHA256_OF ",\"digestsign\":{\"a\":1}", KEY_RSA_2048, PLAIN, NULL,
     D, IK_ESIGNATURE, "digestsign: is not base64"},
    {"no keys: what is no signature is not looked at", SHA256_OF SIGNED("%%"), NULL, PLAIN, NULL, D,
     0, ""},
    {"ours over the digest, P-256", SHA256_OF, KEY_P256, REQUIRE, SIGNED_SHA256_P256, D, 0, ""},
    {"ours over the digest, Ed25519", SHA256_OF, KEY_ED25519, REQUIRE, SIGNED_SHA256_ED25519, D, 0,
     ""},
    {"ours over the digest, MD5", MD5_OF, KEY_ED25519, REQUIRE, SIGNED_MD5_ED25519, D, 0, ""},
    {"ours over the image, RSA", SHA256_OF, KEY_RSA_4096, REQUIRE, SIGNED_IMAGE_RSA_4096, I, 0, ""},
    {"ours over the image, P-256", SHA256_OF, CERTIFICATE_P256, REQUIRE, SIGNED_IMAGE_P256, I, 0,
     ""},
    {"ours over the image, Ed25519, which cannot", SHA256_OF, KEY_ED25519, REQUIRE,
     SIGNED_IMAGE_ED25519, I, IK_ESIGNATURE, "signature: "},
    {"ours over the digest, given as over the image", SHA256_OF, KEY_P256, REQUIRE,
     SIGNED_SHA256_P256, I, IK_ESIGNATURE, "signature: "},
    {"ours, another key", SHA256_OF, KEY_P256, PLAIN, SIGNED_SHA256_RSA_2048, D, IK_ESIGNATURE,
     "signature: the public key did not make the signature"},
    {"ours and no key", SHA256_OF, NULL, PLAIN, SIGNED_SHA256_P256, D, IK_EPUBLIC_KEY, "no public"},
    {"both", SHA256_OF SIGNED(SIGNED_SHA256_RSA_2048), KEY_RSA_2048 KEY_P256, REQUIRE,
     SIGNED_SHA256_P256, D, 0, ""},
    {"both, the platform's wrong", SHA256_OF SIGNED(SIGNED_MD5_RSA_2048), KEY_RSA_2048 KEY_P256,
     REQUIRE, SIGNED_SHA256_P256, D, IK_ESIGNATURE, "digestsign: none of the 2"},
    {"both, ours wrong", SHA256_OF SIGNED(SIGNED_SHA256_RSA_2048), KEY_RSA_2048 KEY_P256, REQUIRE,
     SIGNED_MD5_P256, D, IK_ESIGNATURE, "signature: none of the 2"},
};

static void applies_the_policy(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    iotkit_keys_t *keys = keys_of(rows[i].keys);
    const struct iotkit_fetch_options options = {.keys = keys,
                                                 .require_signature = rows[i].rule == REQUIRE,
                                                 .allow_unsigned = rows[i].rule == ALLOW};
    iotkit_job_t *job = make(rows[i].data, 1, &options);
    iotkit_keys_unref(keys); /* the job has its own reference */
    if (rows[i].given != NULL) assert_int_equal(give(job, rows[i].over, rows[i].given), 0);
    int rc = verify(job, detail);
    if (rc != rows[i].rc || strstr(detail, rows[i].excerpt) == NULL)
      fail_msg("%s: %d, \"%s\"", rows[i].name, rc, detail);
    iotkit_job_unref(job);
  }
}

static void takes_signatures_that_can_be_verified(void **state) {
  (void)state;
  static const uint8_t raw[1025] = {1};
  iotkit_job_t *sha256 = make(SHA256_OF, 1, NULL);
  iotkit_job_t *md5 = make(MD5_OF, 1, NULL);
  iotkit_job_t *files = make(FILES, 1, NULL);
  assert_int_equal(iotkit_job_set_signature(NULL, D, raw, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_set_signature(sha256, D, NULL, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_set_signature(sha256, D, raw, 0), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_set_signature(sha256, (enum iotkit_signed)3, raw, 1),
                   IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_set_signature(sha256, D, raw, 1025), IK_ETOO_LONG);
  assert_int_equal(iotkit_job_set_signature(sha256, D, raw, 1024), 0);
  assert_int_equal(iotkit_job_set_signature(sha256, I, raw, 1), 0); /* the last one counts */
  assert_int_equal(iotkit_job_set_signature(md5, D, raw, 1), 0);
  assert_int_equal(iotkit_job_set_signature(md5, I, raw, 1), IK_EUNSUPPORTED);
  assert_int_equal(iotkit_job_set_signature(md5, IOTKIT_SIGNED_STATEMENT, raw, 1), 0);
  assert_int_equal(iotkit_job_set_signature(files, IOTKIT_SIGNED_STATEMENT, raw, 1),
                   IK_EUNSUPPORTED);
  assert_int_equal(iotkit_job_set_signature(files, D, raw, 1), IK_EUNSUPPORTED);
  assert_int_equal(iotkit_job_set_signature(files, I, raw, 1), IK_EUNSUPPORTED);
  iotkit_job_abort(sha256);
  assert_int_equal(iotkit_job_set_signature(sha256, D, raw, 1), IK_EINVALID_STATE);
  iotkit_job_unref(files);
  iotkit_job_unref(md5);
  iotkit_job_unref(sha256);
}

static void each_of_several_files_wants_its_own(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_keys_t *keys = keys_of(KEY_P256);
  const struct iotkit_fetch_options options = {.keys = keys};
  iotkit_job_t *job = make(FILES SIGNED(SIGNED_SHA256_P256), 1, &options);
  iotkit_job_t *file = NULL;
  iotkit_keys_unref(keys);
  assert_int_equal(iotkit_job_open_file(job, 0, &file), 0);
  assert_int_equal(verify(file, detail), IK_ESIGNATURE_MISSING);
  assert_int_equal(give(file, D, SIGNED_SHA256_P256), 0);
  assert_int_equal(verify(file, detail), 0);
  iotkit_job_unref(file);
  iotkit_job_unref(job);
}

/* ---- in a fetch ---- */

static bool serve_image(void *ctx, int fd, const struct http_request *request) {
  (void)request;
  (void)ctx;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", sizeof(IMAGE) - 1, IMAGE);
  return true;
}

static void fetches_what_is_signed_and_nothing_else(void **state) {
  (void)state;
  uint8_t buf[64];
  uint64_t offset;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct http_server *server = http_server_start(serve_image, NULL);
  unsigned port = http_server_port(server);
  iotkit_keys_t *keys = keys_of(KEY_RSA_2048);
  const struct iotkit_fetch_options options = {.keys = keys, .proxy = ""};

  iotkit_job_t *job = make(SHA256_OF SIGNED(SIGNED_MD5_RSA_2048), port, &options);
  assert_int_equal(iotkit_job_fetch(job, buf, sizeof(buf), UINT32_MAX, &offset), IK_ESIGNATURE);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  assert_int_equal(iotkit_job_error(job, detail), IK_ESIGNATURE);
  assert_non_null(strstr(detail, "digestsign"));
  iotkit_job_unref(job);

  job = make(SHA256_OF, port, &options);
  assert_int_equal(iotkit_job_fetch(job, buf, sizeof(buf), UINT32_MAX, &offset),
                   IK_ESIGNATURE_MISSING);
  iotkit_job_unref(job);

  job = make(SHA256_OF, port, &options);
  assert_int_equal(give(job, I, SIGNED_IMAGE_RSA_2048), 0);
  iotkit_job_t *copy = NULL;
  assert_int_equal(iotkit_job_dup(job, &copy), 0); /* the signature too */
  iotkit_job_unref(job);
  assert_true(iotkit_job_fetch(copy, buf, sizeof(buf), UINT32_MAX, &offset) == sizeof(IMAGE) - 1);
  assert_memory_equal(buf, IMAGE, sizeof(IMAGE) - 1);
  assert_int_equal(iotkit_job_check(copy), 0);
  assert_int_equal(give(copy, I, SIGNED_IMAGE_RSA_2048), IK_EINVALID_STATE);
  iotkit_job_unref(copy);
  assert_int_equal(http_server_stop(server), 1);
  iotkit_keys_unref(keys);
}

/* The platform signs none; what the user signs is verified all the same. */
static void a_configuration_needs_no_signature(void **state) {
  (void)state;
  const struct iotkit_fetch_options options = {.keys = keys_of(KEY_P256),
                                               .require_signature = true};
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = make(SHA256_OF, 1, &options);
  assert_int_equal(verify(job, detail), IK_ESIGNATURE_MISSING);
  assert_int_equal(ik_announcement_add_config(&job->setup.announcement), 0);
  assert_int_equal(verify(job, detail), 0);
  assert_int_equal(give(job, D, SIGNED_MD5_P256), 0);
  assert_int_equal(verify(job, detail), IK_ESIGNATURE);
  iotkit_job_unref(job);
  iotkit_keys_unref(options.keys);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(applies_the_policy),
      cmocka_unit_test(takes_signatures_that_can_be_verified),
      cmocka_unit_test(a_configuration_needs_no_signature),
      cmocka_unit_test(each_of_several_files_wants_its_own),
      cmocka_unit_test(fetches_what_is_signed_and_nothing_else),
  };
  if (iotkit_tls_source() == NULL) return 0; /* test_keys.c says what there is without OpenSSL */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
