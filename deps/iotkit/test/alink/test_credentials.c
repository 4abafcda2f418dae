/*
 * The text that credentials are kept as; the digests are those of sha256sum.
 */
#include <string.h>

#include "alink/credentials.h"
#include "support/cm.h"

#define SECRET                                                                                     \
  "{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"ds\",\"digest\":"               \
  "\"df19df4713e9788cb5728fdea59c85da81be267d3a28188c8f2bd5bf215e9532\"}\n"
#define TOKEN                                                                                      \
  "{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"clientId\":\"ci\",\"deviceToken\":\"dt\","       \
  "\"digest\":\"880fb885392a72cd0cbf1999eba92922d5fe227de6e08dfebcb71165fa1aadaa\"}\n"

static const struct iotkit_credentials by_secret = {"pk", "dn", "ds", "", ""};
static const struct iotkit_credentials by_token = {"pk", "dn", "", "ci", "dt"};

static void written_and_read(void **state) {
  static const struct {
    const struct iotkit_credentials *credentials;
    const char *text;
  } rows[] = {{&by_secret, SECRET}, {&by_token, TOKEN}};
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_credentials got;
    struct ik_buf text;
    ik_buf_init(&text, IK_CREDENTIALS_TEXT_MAX);
    assert_int_equal(ik_credentials_write(rows[i].credentials, &text), 0);
    assert_int_equal(ik_buf_size(&text), strlen(rows[i].text));
    assert_memory_equal(ik_buf_ptr(&text), rows[i].text, strlen(rows[i].text));
    assert_int_equal(ik_credentials_read(ik_str(rows[i].text), &got, NULL), 0);
    assert_memory_equal(&got, rows[i].credentials, sizeof got);
    ik_buf_free(&text);
  }
}

/* Every character of every value counts, and every prefix is noticed. */
static void damage_is_noticed(void **state) {
  static const struct iotkit_credentials empty;
  struct iotkit_credentials got;
  char text[] = SECRET;
  const size_t len = strlen(SECRET);
  (void)state;
  for (size_t i = 0; i < len - 2; i++) {
    assert_int_equal(ik_credentials_read((struct ik_str){SECRET, i}, &got, NULL),
                     IK_ECREDENTIALS_DAMAGED);
  }
  for (const char *at = strstr(text, "ds"); at < text + len - 3; at++) {
    char *byte = text + (at - text);
    const char before = *byte;
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (before == '"' || before == ',' || before == ':') continue;
    *byte = before == 'x' ? 'y' : 'x';
    const int rc = ik_credentials_read(ik_str(text), &got, detail);
    /* the key "digest" itself may be another: then there is none */
    const bool is_key = at >= strstr(SECRET, "digest") - SECRET + text &&
                        at < strstr(SECRET, "digest") - SECRET + text + 6;
    if (rc != (is_key ? 0 : IK_ECREDENTIALS_DAMAGED)) fail_msg("at %td: %d", at - text, rc);
    if (rc < 0) assert_memory_equal(&got, &empty, sizeof got);
    *byte = before;
  }
}

static void made_by_hand(void **state) {
  static const struct {
    const char *text;
    int rc;
    const char *says;
  } rows[] = {
      {"{ \"productKey\": \"pk\", \"deviceName\": \"dn\", \"deviceSecret\": \"ds\" }", 0, ""},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\"}", IK_ECREDENTIALS_DAMAGED, "deviceSecret"},
      {"{\"productKey\":\"pk\",\"deviceSecret\":\"TELL\"}", IK_ECREDENTIALS_DAMAGED, "deviceName"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL\",\"digest\":7}",
       IK_ECREDENTIALS_DAMAGED, "digest"},
      {"{\"code\":6289}", IK_ECREDENTIALS_DAMAGED, "6289"},
      {"", IK_ECREDENTIALS_DAMAGED, "JSON"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_credentials got;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_credentials_read(ik_str(rows[i].text), &got, detail);
    if (rc != rows[i].rc || !strstr(detail, rows[i].says) || strstr(detail, "TELL"))
      fail_msg("row %zu: %d, %s", i, rc, detail);
  }
}

static void room_is_limited(void **state) {
  struct ik_buf text;
  (void)state;
  ik_buf_init(&text, 50);
  assert_int_equal(ik_credentials_write(&by_secret, &text), IK_ETOO_LONG);
  ik_buf_free(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(written_and_read),
      cmocka_unit_test(damage_is_noticed),
      cmocka_unit_test(made_by_hand),
      cmocka_unit_test(room_is_limited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
