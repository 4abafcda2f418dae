/*
 * Signed statements: they bind version, module and product, and an image that was signed under
 * another of them is refused before its first byte.
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "download/job.h"
#include "download/job_private.h"
#include "support/cm.h"
#include "support/statements.h"

#define PRODUCT "a1Product"
#define SHA256_OF "\"signMethod\":\"SHA256\",\"sign\":\"" IMAGE_SHA256 "\""
#define MD5_OF "\"md5\":\"" IMAGE_MD5 "\""
#define IMAGE_OF(version, size, more)                                                              \
  "{\"message\":\"success\",\"data\":{\"version\":\"" version "\",\"size\":" size                  \
  ",\"url\":\"http://127.0.0.1:1/f\"," more "}}"
#define SIGNED(signature) ",\"digestsign\":\"" signature "\""
#define STATED_BY(signature) ",\"extData\":{\"iotkit.statement.v1\":\"" signature "\"}"
#define FIELD(value) ",\"extData\":{\"a\":\"b\",\"iotkit.statement.v1\":" value "}"

static const struct {
  const char *name;
  const char *json;
  const char *keys; /* NULL: none */
  const char *product;
  bool require;
  int rc;
  const char *excerpt;
} rows[] = {
    {"what was signed, P-256", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED)), STATEMENT_KEY,
     PRODUCT, true, 0, ""},
    {"what was signed, Ed25519", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_ED25519)),
     STATEMENT_KEY_ED25519, PRODUCT, true, 0, ""},
    {"what was signed, RSA", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_RSA)),
     STATEMENT_KEY STATEMENT_KEY_RSA, PRODUCT, true, 0, ""},
    {"MD5", IMAGE_OF("2", "24", MD5_OF STATED_BY(STATED_MD5)), STATEMENT_KEY, PRODUCT, true, 0, ""},
    {"no module is the default one",
     IMAGE_OF("2", "24", "\"module\":\"default\"," SHA256_OF STATED_BY(STATED)), STATEMENT_KEY,
     PRODUCT, true, 0, ""},
    {"it is a signature", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED)), STATEMENT_KEY, PRODUCT,
     false, 0, ""},
    {"an old image under a new number", IMAGE_OF("3", "24", SHA256_OF STATED_BY(STATED)),
     STATEMENT_KEY, PRODUCT, true, IK_ESIGNATURE, "extData.iotkit.statement.v1: the public key"},
    {"the same, though none is required", IMAGE_OF("3", "24", SHA256_OF STATED_BY(STATED)),
     STATEMENT_KEY, PRODUCT, false, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"the same, with a right digestsign",
     IMAGE_OF("3", "24", SHA256_OF SIGNED(STATED_DIGEST) STATED_BY(STATED)), STATEMENT_KEY, PRODUCT,
     false, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"another version", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_VERSION_1)), STATEMENT_KEY,
     PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"another module", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_MODULE_MCU)), STATEMENT_KEY,
     PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"the module that it names",
     IMAGE_OF("2", "24", "\"module\":\"MCU\"," SHA256_OF STATED_BY(STATED_MODULE_MCU)),
     STATEMENT_KEY, PRODUCT, true, 0, ""},
    {"another product", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_PRODUCT_B1)), STATEMENT_KEY,
     PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"ours is another product", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED)), STATEMENT_KEY,
     "b1Product", true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"another size", IMAGE_OF("2", "25", SHA256_OF STATED_BY(STATED)), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE, "iotkit.statement.v1"},
    {"a diff as a full image", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_DIFF)), STATEMENT_KEY,
     PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"a full image as a diff", IMAGE_OF("2", "24", "\"isDiff\":1," SHA256_OF STATED_BY(STATED)),
     STATEMENT_KEY, PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"MD5 where SHA-256 was signed", IMAGE_OF("2", "24", MD5_OF STATED_BY(STATED)), STATEMENT_KEY,
     PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"one file as an image", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_FILE_F)), STATEMENT_KEY,
     PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"not the canonical text", IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_NO_LAST_LF)),
     STATEMENT_KEY, PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
    {"a signature of the digest is no statement",
     IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED_DIGEST)), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE, "iotkit.statement.v1"},
    {"a statement is no signature of the digest", IMAGE_OF("2", "24", SHA256_OF SIGNED(STATED)),
     STATEMENT_KEY, PRODUCT, false, IK_ESIGNATURE, "digestsign: "},
    {"a signature of the digest alone, required",
     IMAGE_OF("2", "24", SHA256_OF SIGNED(STATED_DIGEST)), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE_MISSING, "verify.requireStatement"},
    {"a signature of the digest alone", IMAGE_OF("2", "24", SHA256_OF SIGNED(STATED_DIGEST)),
     STATEMENT_KEY, PRODUCT, false, 0, ""},
    {"both", IMAGE_OF("2", "24", SHA256_OF SIGNED(STATED_DIGEST) STATED_BY(STATED)), STATEMENT_KEY,
     PRODUCT, true, 0, ""},
    {"no keys: it is not looked at", IMAGE_OF("2", "24", SHA256_OF STATED_BY("%%")), NULL, PRODUCT,
     false, 0, ""},
    {"no product: it is not looked at, and no signature",
     IMAGE_OF("2", "24", SHA256_OF STATED_BY(STATED)), STATEMENT_KEY, NULL, false,
     IK_ESIGNATURE_MISSING, "digestsign"},
    /* what cannot be a signature */
    {"no base64", IMAGE_OF("2", "24", SHA256_OF STATED_BY("%%")), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE, "is not base64"},
    {"a number", IMAGE_OF("2", "24", SHA256_OF FIELD("5")), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE, "is not base64"},
    {"an object", IMAGE_OF("2", "24", SHA256_OF FIELD("{\"a\":[]}")), STATEMENT_KEY, PRODUCT, false,
     IK_ESIGNATURE, "is not base64"},
    {"a NUL", IMAGE_OF("2", "24", SHA256_OF FIELD("\"AAEC\\u0000\"")), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE, "is not base64"},
    {"three bytes", IMAGE_OF("2", "24", SHA256_OF FIELD("\"AAEC\"")), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE, "iotkit.statement.v1"},
    {"null is none", IMAGE_OF("2", "24", SHA256_OF FIELD("null")), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE_MISSING, "iotkit.statement.v1: is missing"},
    {"empty is none", IMAGE_OF("2", "24", SHA256_OF FIELD("\"\"")), STATEMENT_KEY, PRODUCT, true,
     IK_ESIGNATURE_MISSING, "iotkit.statement.v1: is missing"},
    {"of two the last one counts",
     IMAGE_OF("2", "24",
              SHA256_OF ",\"extData\":{\"iotkit.statement.v1\":\"" STATED
                        "\",\"iotkit.statement.v1\":\"AAEC\"}"),
     STATEMENT_KEY, PRODUCT, true, IK_ESIGNATURE, "iotkit.statement.v1"},
};

static iotkit_job_t *make(const char *json, const struct iotkit_fetch_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  if (iotkit_job_parse(json, strlen(json), options, &job, detail) != 0) fail_msg("%s", detail);
  return job;
}

static iotkit_keys_t *keys_of(const char *pem) {
  iotkit_keys_t *keys = NULL;
  if (pem != NULL) assert_int_equal(iotkit_keys_new(pem, 0, &keys, NULL), 0);
  return keys;
}

static int verify(const iotkit_job_t *job, char *detail) {
  return ik_verify_announced(&job->setup.announcement, &job->setup.config->options,
                             &job->setup.signature, detail);
}

static void binds_what_it_names(void **state) {
  (void)state;
  iotkit_keys_t *usual = keys_of(STATEMENT_KEY);
  for (size_t i = 0; i < COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    const bool is_usual = rows[i].keys != NULL && strcmp(rows[i].keys, STATEMENT_KEY) == 0;
    iotkit_keys_t *keys = is_usual ? iotkit_keys_ref(usual) : keys_of(rows[i].keys);
    const struct iotkit_fetch_options options = {
        .keys = keys, .product_key = rows[i].product, .require_statement = rows[i].require};
    iotkit_job_t *job = make(rows[i].json, &options);
    iotkit_keys_unref(keys);
    int rc = verify(job, detail);
    if (rc != rows[i].rc || strstr(detail, rows[i].excerpt) == NULL)
      fail_msg("%s: %d, \"%s\"", rows[i].name, rc, detail);
    iotkit_job_unref(job);
  }
  iotkit_keys_unref(usual);
}

static void one_that_is_too_long_is_refused_with_keys_alone(void **state) {
  (void)state;
  char json[8192];
  char detail[IOTKIT_DETAIL_MAX] = "";
  char text[IK_STATEMENT_SIGN_MAX + 2];
  memset(text, 'A', sizeof(text));
  text[IK_STATEMENT_SIGN_MAX + 1] = '\0';
  snprintf(json, sizeof(json), IMAGE_OF("2", "24", SHA256_OF STATED_BY("%s")), text);
  iotkit_job_t *job = make(json, NULL);
  assert_int_equal(verify(job, detail), 0);
  iotkit_job_unref(job);
  iotkit_keys_t *keys = keys_of(STATEMENT_KEY);
  job = make(json, &(struct iotkit_fetch_options){.keys = keys, .product_key = PRODUCT});
  assert_int_equal(verify(job, detail), IK_ESIGNATURE);
  iotkit_job_unref(job);
  iotkit_keys_unref(keys);
}

static int give(iotkit_job_t *job, const char *base64) {
  uint8_t raw[1024];
  ptrdiff_t len = ik_base64_decode(ik_str(base64), raw, sizeof(raw));
  assert_true(len > 0);
  return iotkit_job_set_signature(job, IOTKIT_SIGNED_STATEMENT, raw, (size_t)len);
}

static void one_of_our_own_is_taken_too(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_keys_t *keys = keys_of(STATEMENT_KEY);
  const struct iotkit_fetch_options options = {
      .keys = keys, .product_key = PRODUCT, .require_statement = true};
  iotkit_job_t *job = make(IMAGE_OF("2", "24", SHA256_OF), &options);
  assert_int_equal(give(job, STATED), 0);
  assert_int_equal(verify(job, detail), 0);
  assert_int_equal(give(job, STATED_VERSION_1), 0);
  assert_int_equal(verify(job, detail), IK_ESIGNATURE);
  assert_non_null(strstr(detail, "signature: "));
  iotkit_job_unref(job);

  job = make(IMAGE_OF("2", "24", SHA256_OF), &(struct iotkit_fetch_options){.keys = keys});
  assert_int_equal(give(job, STATED), 0);
  assert_int_equal(verify(job, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "product_key"));
  iotkit_job_unref(job);
  iotkit_keys_unref(keys);
}

static void of_several_files_each_names_its_file(void **state) {
  (void)state;
  static const char json[] =
      "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"signMethod\":\"SHA256\",\"files\":[{"
      "\"fileSize\":24,\"fileName\":\"f\",\"fileUrl\":\"http://127.0.0.1:1/f\",\"fileSign\":"
      "\"" IMAGE_SHA256 "\"}]" STATED_BY(STATED) "}}";
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_keys_t *keys = keys_of(STATEMENT_KEY);
  const struct iotkit_fetch_options options = {
      .keys = keys, .product_key = PRODUCT, .require_statement = true};
  iotkit_job_t *job = make(json, &options);
  iotkit_job_t *file = NULL;
  assert_int_equal(iotkit_job_open_file(job, 0, &file), 0);
  assert_int_equal(verify(file, detail), IK_ESIGNATURE_MISSING);
  assert_int_equal(give(file, STATED_FILE_G), 0);
  assert_int_equal(verify(file, detail), IK_ESIGNATURE);
  assert_int_equal(give(file, STATED_FILE_F), 0);
  assert_int_equal(verify(file, detail), 0);
  iotkit_job_unref(file);
  iotkit_job_unref(job);
  iotkit_keys_unref(keys);
}

static void is_shown_to_who_signs(void **state) {
  (void)state;
  char text[IOTKIT_STATEMENT_MAX];
  iotkit_job_t *job =
      make(IMAGE_OF("2", "24", SHA256_OF), &(struct iotkit_fetch_options){.product_key = PRODUCT});
  int len = iotkit_job_statement(job, text);
  assert_int_equal(len, strlen(text));
  assert_string_equal(text, "iotkit-ota statement 1\nproduct a1Product\nmodule default\nversion 2\n"
                            "kind full\nsize 24\nsha256 " IMAGE_SHA256 "\n");
  assert_int_equal(iotkit_job_statement(NULL, text), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_statement(job, NULL), IK_EINVALID_ARGUMENT);
  /* Options that name no product leave the one there is. */
  assert_int_equal(iotkit_job_set_options(job, &(struct iotkit_fetch_options){.connections = 1}),
                   0);
  assert_int_equal(iotkit_job_statement(job, text), len);
  iotkit_job_unref(job);
  job = make(IMAGE_OF("2", "24", SHA256_OF), NULL);
  assert_int_equal(iotkit_job_statement(job, text), IK_EINVALID_ARGUMENT);
  iotkit_job_unref(job);
}

static void contradictions_are_refused(void **state) {
  (void)state;
  static const char json[] = IMAGE_OF("2", "24", SHA256_OF);
  iotkit_keys_t *keys = keys_of(STATEMENT_KEY);
  const struct {
    struct iotkit_fetch_options options;
    const char *excerpt;
  } wrong[] = {
      {{.require_statement = true, .product_key = PRODUCT}, "require_statement: needs keys"},
      {{.require_statement = true, .keys = keys}, "require_statement: needs product_key"},
      {{.keys = keys, .allow_unsigned = true, .require_signature = true}, "allow_unsigned"},
      {{.keys = keys, .allow_unsigned = true, .require_statement = true, .product_key = PRODUCT},
       "allow_unsigned"},
      {{.product_key = ""}, "product_key"},
      {{.product_key = "a\nmodule b"}, "product_key"},
      {{.product_key = "123456789012345678901"}, "product_key"},
  };
  for (size_t i = 0; i < COUNT(wrong); i++) {
    iotkit_job_t *job = NULL;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = iotkit_job_parse(json, sizeof(json) - 1, &wrong[i].options, &job, detail);
    if (rc != IK_EINVALID_ARGUMENT || strstr(detail, wrong[i].excerpt) == NULL)
      fail_msg("%s: %d, \"%s\"", wrong[i].excerpt, rc, detail);
  }
  iotkit_keys_unref(keys);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(binds_what_it_names),
      cmocka_unit_test(one_that_is_too_long_is_refused_with_keys_alone),
      cmocka_unit_test(one_of_our_own_is_taken_too),
      cmocka_unit_test(of_several_files_each_names_its_file),
      cmocka_unit_test(is_shown_to_who_signs),
      cmocka_unit_test(contradictions_are_refused),
  };
  if (iotkit_tls_source() == NULL) return 0; /* test_keys.c says what there is without OpenSSL */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
