/* The JSON reader and writer. */
#include <string.h>

#include "base/json.h"
#include "iotkit_errors.h"
#include "support/cm.h"
#include "support/json_cases.h"
#include "support/rng.h"

static struct ik_json parse(const char *text) {
  struct ik_json json;
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (ik_json_parse(ik_str(text), &json, detail) != 0) fail_msg("%s: %s", text, detail);
  return json;
}

static void takes_and_refuses_as_the_suite_says(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(json_cases); i++) {
    const struct json_case *row = &json_cases[i];
    /* A copy of exactly this size, so that a sanitizer sees a read beyond the end. */
    char *copy = test_malloc(row->len ? row->len : 1);
    struct ik_json json;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc;
    memcpy(copy, row->text, row->len);
    rc = ik_json_parse((struct ik_str){copy, row->len}, &json, detail);
    if (row->valid && rc != 0) fail_msg("%s was refused: %s", row->name, detail);
    if (!row->valid && rc != IK_ENOTICE_JSON) fail_msg("%s: %d", row->name, rc);
    if (!row->valid && (detail[0] == '\0' || json.nodes)) fail_msg("%s: no detail", row->name);
    ik_json_free(&json);
    test_free(copy);
  }
  assert_true(COUNT(json_cases) >= 250);
}

static void takes_empty_without_pointer(void **state) {
  struct ik_json json;
  (void)state;
  assert_int_equal(ik_json_parse((struct ik_str){NULL, 0}, &json, NULL), IK_ENOTICE_JSON);
  assert_null(ik_json_root(&json));
  ik_json_free(&json);
}

/* Every proper prefix of a whole object is unfinished, and every one of its errors has a place. */
static void refuses_every_truncation(void **state) {
  static const char text[] = "{\"id\":1507707025,\"code\":\"1000\",\"data\":{\"size\":432945,"
                             "\"url\":\"https:\\/\\/h\\u002fx\","
                             "\"a\":[true,false,null,-1.5e3,{}]},\"message\":\"\\ud83d\\ude00\"}";
  (void)state;
  for (size_t len = 0; len + 1 < sizeof text; len++) {
    struct ik_json json;
    char detail[IOTKIT_DETAIL_MAX] = "";
    assert_int_equal(ik_json_parse((struct ik_str){text, len}, &json, detail), IK_ENOTICE_JSON);
    assert_non_null(strstr(detail, "at byte"));
  }
}

static void says_where(void **state) {
  struct ik_json json;
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  assert_int_equal(ik_json_parse(IK_STR("{\"a\":01}"), &json, detail), IK_ENOTICE_JSON);
  assert_string_equal(detail, "number with a leading zero at byte 7");
  assert_int_equal(ik_json_parse(IK_STR("[1,2,]"), &json, detail), IK_ENOTICE_JSON);
  assert_string_equal(detail, "unexpected character at byte 5");
}

static void caps_depth_nodes_and_size(void **state) {
  static char text[2 * 1024 * 1024];
  struct ik_json json;
  size_t len = 0;
  (void)state;
  memset(text, '[', IK_JSON_DEPTH_MAX);
  memset(text + IK_JSON_DEPTH_MAX, ']', IK_JSON_DEPTH_MAX);
  assert_int_equal(ik_json_parse((struct ik_str){text, 2 * IK_JSON_DEPTH_MAX}, &json, NULL), 0);
  assert_int_equal(json.count, IK_JSON_DEPTH_MAX);
  ik_json_free(&json);
  memset(text, '[', 100000);
  assert_int_equal(ik_json_parse((struct ik_str){text, 100000}, &json, NULL), IK_ETOO_LONG);
  text[len++] = '[';
  for (int i = 0; i < IK_JSON_NODES_MAX - 1; i++) {
    text[len++] = '0';
    text[len++] = ',';
  }
  text[len - 1] = ']';
  assert_int_equal(ik_json_parse((struct ik_str){text, len}, &json, NULL), 0);
  assert_int_equal(ik_json_root(&json)->count, IK_JSON_NODES_MAX - 1);
  ik_json_free(&json);
  text[len - 1] = ',';
  text[len++] = '0';
  text[len++] = ']';
  assert_int_equal(ik_json_parse((struct ik_str){text, len}, &json, NULL), IK_ETOO_LONG);
  memset(text, ' ', sizeof text);
  text[0] = '1';
  assert_int_equal(ik_json_parse((struct ik_str){text, IK_JSON_TEXT_MAX}, &json, NULL), 0);
  ik_json_free(&json);
  assert_int_equal(ik_json_parse((struct ik_str){text, IK_JSON_TEXT_MAX + 1}, &json, NULL),
                   IK_ETOO_LONG);
}

static void finds_members(void **state) {
  struct ik_json json =
      parse(" {\"a\": 1, \"n\": null, \"a\": {\"b\": [10, \"x\", {}]}, \"\\u0061b\": 2,"
            " \"\\ud83d\\ude00\": 3, \"\": 4, \"a\\u0000\": 5} ");
  const struct ik_json_node *root = ik_json_root(&json);
  const struct ik_json_node *node;
  uint64_t value;
  (void)state;
  assert_int_equal(root->type, IK_JSON_OBJECT);
  assert_int_equal(root->count, 7);
  node = ik_json_get(&json, root, "a"); /* the last of equal keys */
  assert_int_equal(node->type, IK_JSON_OBJECT);
  assert_true(ik_str_eq(node->text, IK_STR("{\"b\": [10, \"x\", {}]}")));
  node = ik_json_get(&json, node, "b");
  assert_int_equal(node->count, 3);
  node = ik_json_first(&json, node);
  assert_true(ik_json_u64(node, &value) && value == 10);
  node = ik_json_next(&json, node);
  assert_true(ik_str_eq(node->text, IK_STR("x")));
  node = ik_json_next(&json, node);
  assert_int_equal(node->type, IK_JSON_OBJECT);
  assert_null(ik_json_first(&json, node));
  assert_null(ik_json_next(&json, node));
  assert_int_equal(ik_json_get(&json, root, "n")->type, IK_JSON_NULL);
  assert_true(ik_json_u64(ik_json_get(&json, root, "ab"), &value) && value == 2);
  assert_true(ik_json_u64(ik_json_get(&json, root, "\xf0\x9f\x98\x80"), &value) && value == 3);
  assert_true(ik_json_u64(ik_json_get(&json, root, ""), &value) && value == 4);
  assert_null(ik_json_get(&json, root, "b"));
  assert_null(ik_json_get(&json, root, "abc"));
  assert_null(ik_json_get(&json, ik_json_get(&json, root, "n"), "a"));
  assert_null(ik_json_get(&json, NULL, "a"));
  assert_null(ik_json_first(&json, NULL));
  assert_null(ik_json_next(&json, NULL));
  ik_json_free(&json);
}

static void decodes_strings(void **state) {
  struct ik_json json =
      parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud834\\udd1e\", \"a\\u0000b\", 7,"
            " \"\", \"12345\"]");
  const struct ik_json_node *node = ik_json_first(&json, ik_json_root(&json));
  char *text;
  size_t len;
  (void)state;
  assert_int_equal(ik_json_string(node, 18, &text, &len), 0);
  assert_string_equal(text, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e");
  assert_int_equal(len, 18);
  free(text);
  assert_int_equal(ik_json_string(node, 17, &text, &len), IK_ETOO_LONG);
  assert_null(text);
  node = ik_json_next(&json, node);
  assert_int_equal(ik_json_string(node, 100, &text, &len), IK_ENOTICE_FIELD);
  node = ik_json_next(&json, node);
  assert_int_equal(ik_json_string(node, 100, &text, &len), IK_ENOTICE_FIELD);
  assert_int_equal(ik_json_string(NULL, 100, &text, &len), IK_ENOTICE_FIELD);
  node = ik_json_next(&json, node);
  assert_int_equal(ik_json_string(node, 0, &text, NULL), 0);
  assert_string_equal(text, "");
  free(text);
  node = ik_json_next(&json, node);
  assert_int_equal(ik_json_string(node, 4, &text, &len), IK_ETOO_LONG);
  assert_int_equal(ik_json_string(node, 5, &text, &len), 0);
  assert_string_equal(text, "12345");
  free(text);
  ik_json_free(&json);
}

static void reads_whole_numbers(void **state) {
  static const struct {
    const char *text;
    bool ok;
    uint64_t value;
  } rows[] = {
      {"0", true, 0},
      {"432945", true, 432945},
      {"\"432945\"", true, 432945},
      {"18446744073709551615", true, UINT64_MAX},
      {"\"18446744073709551615\"", true, UINT64_MAX},
      {"18446744073709551616", false, 0},
      {"-0", false, 0},
      {"-1", false, 0},
      {"-0.0", false, 0},
      {"-1.0", false, 0},
      {"1.0", true, 1},
      {"1e3", true, 1000},
      {"1E+3", true, 1000},
      {"1.50e1", true, 15},
      {"0.0015e4", true, 15},
      {"1500e-2", true, 15},
      {"432945.000", true, 432945},
      {"0.0", true, 0},
      {"0e0", true, 0},
      {"0e99999999999999999999", true, 0},
      {"10e-99999999999999999999", false, 0},
      {"1e99999999999999999999", false, 0},
      {"1.5", false, 0},
      {"1e-1", false, 0},
      {"15e-2", false, 0},
      {"9007199254740991.0", true, 9007199254740991},
      {"9007199254740992.0", true, 9007199254740992},
      {"9.007199254740992e15", true, 9007199254740992},
      {"9007199254740993.0", false, 0},
      {"1e16", false, 0},
      {"18446744073709551615.0", false, 0},
      {"\"1.0\"", false, 0},
      {"\"1e3\"", false, 0},
      {"\"\"", false, 0},
      {"\"-1\"", false, 0},
      {"\" 1\"", false, 0},
      {"\"1.5\"", false, 0},
      {"\"\\u0031\"", false, 0},
      {"true", false, 0},
      {"null", false, 0},
      {"[1]", false, 0},
      {"{}", false, 0},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_json json = parse(rows[i].text);
    uint64_t value = 0;
    if (ik_json_u64(ik_json_root(&json), &value) != rows[i].ok || value != rows[i].value) {
      fail_msg("%s", rows[i].text);
    }
    ik_json_free(&json);
  }
  assert_false(ik_json_u64(NULL, &(uint64_t){0}));
}

static void writes_strings(void **state) {
  struct ik_buf buf;
  static const char want[] = "\"q\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xe2\x82\xac\"";
  (void)state;
  ik_buf_init(&buf, sizeof want - 1);
  assert_int_equal(ik_json_write_member(&buf, "q", IK_STR("\"\\/\b\f\n\r\t\0\x1f\x7f\xe2\x82\xac")),
                   0);
  assert_int_equal(ik_buf_size(&buf), sizeof want - 1);
  assert_memory_equal(ik_buf_ptr(&buf), want, sizeof want - 1);
  ik_buf_clear(&buf);
  assert_int_equal(ik_json_write_string(&buf, IK_STR("\xff")), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_json_write_string(&buf, IK_STR("")), 0);
  assert_memory_equal(ik_buf_ptr(&buf), "\"\"", 2);
  ik_buf_free(&buf);
}

/* A member that does not fit, or is no text, leaves nothing of itself behind. */
static void writes_all_or_nothing(void **state) {
  struct ik_buf buf;
  (void)state;
  for (size_t max = 1; max <= 16; max++) {
    ik_buf_init(&buf, max);
    assert_int_equal(ik_buf_append_u8(&buf, '{'), 0);
    assert_int_equal(ik_json_write_member(&buf, "desc", IK_STR("a\n\"b")),
                     max < 16 ? IK_ETOO_LONG : 0);
    assert_int_equal(ik_buf_size(&buf), max < 16 ? 1 : 16);
    ik_buf_free(&buf);
  }
  ik_buf_init(&buf, 100);
  assert_int_equal(ik_json_write_member(&buf, "k", IK_STR("\xc3(")), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_buf_size(&buf), 0);
  ik_buf_free(&buf);
}

static size_t encode(uint32_t code, char *out) {
  size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  uint32_t rest = code;
  for (size_t i = len - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (rest & 0x3f));
    rest >>= 6;
  }
  out[0] = (char)(len == 1 ? rest : (0xf00 >> len & 0xff) | rest);
  return len;
}

/* What is written reads back as it was, whatever the text. */
static void round_trip(void **state) {
  struct rng rng = rng_start("json");
  (void)state;
  for (int i = 0; i < 3000; i++) {
    char text[400];
    size_t len = 0;
    size_t points = rng_below(&rng, 90);
    struct ik_buf buf;
    struct ik_json json;
    char *back;
    size_t back_len;
    for (size_t p = 0; p < points; p++) {
      uint32_t code = (uint32_t)(1 + rng_below(&rng, (size_t)1 << (1 + rng_below(&rng, 20))));
      if (code >= 0xd800 && code <= 0xdfff) code = '"';
      len += encode(code, text + len);
    }
    ik_buf_init(&buf, 4096);
    assert_int_equal(ik_json_write_string(&buf, (struct ik_str){text, len}), 0);
    struct ik_str written = {(const char *)ik_buf_ptr(&buf), ik_buf_size(&buf)};
    assert_int_equal(ik_json_parse(written, &json, NULL), 0);
    assert_int_equal(ik_json_string(ik_json_root(&json), sizeof text, &back, &back_len), 0);
    assert_int_equal(back_len, len);
    assert_memory_equal(back, text, len);
    free(back);
    ik_json_free(&json);
    ik_buf_free(&buf);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_and_refuses_as_the_suite_says),
      cmocka_unit_test(takes_empty_without_pointer),
      cmocka_unit_test(refuses_every_truncation),
      cmocka_unit_test(says_where),
      cmocka_unit_test(caps_depth_nodes_and_size),
      cmocka_unit_test(finds_members),
      cmocka_unit_test(decodes_strings),
      cmocka_unit_test(reads_whole_numbers),
      cmocka_unit_test(writes_strings),
      cmocka_unit_test(writes_all_or_nothing),
      cmocka_unit_test(round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
