/*
 * A registration over a stream in memory and a fake clock: what it says, what it makes of each
 * answer and of each end, and when.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "channel/registration.h"
#include "support/cm.h"
#include "support/fake_stream.h"
#include "support/file_world.h"

#define T0 1000000u
#define SECRET "{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"ds\"}"
#define TOKEN                                                                                      \
  "{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"clientId\":\"ci\",\"deviceToken\":\"dt\"}"
#define NAMES "{\"productKey\":\"pk\",\"deviceName\":\"dn\"}"
#define REGISTER "/ext/register"
#define REGNWL "/ext/regnwl"

struct rig {
  struct fake_wire wire;
  iotkit_tls_t *tls;
  iotkit_registration_t *registration;
  uint64_t now;
};

static void begin(struct rig *rig, struct iotkit_register_options options) {
  const struct iotkit_tls_options tls = {.deferred = true};
  char detail[IOTKIT_DETAIL_MAX] = "";
  *rig = (struct rig){.now = T0};
  fake_wire_init(&rig->wire);
  assert_int_equal(iotkit_tls_new(&tls, &rig->tls, NULL), 0);
  options.host = "broker";
  options.port = 1883;
  options.tls = rig->tls;
  if (options.kind != IOTKIT_REGISTER_X509) {
    options.product_key = "pk";
    options.device_name = "dn";
    options.product_secret = "TELL";
  }
  int rc = ik_registration_new_over(&options, fake_dial, &rig->wire, &rig->registration, detail);
  if (rc != 0) fail_msg("%d: %s", rc, detail);
}

static void end(struct rig *rig) {
  iotkit_registration_free(rig->registration);
  assert_false(rig->wire.connected);
  fake_wire_free(&rig->wire);
  iotkit_tls_unref(rig->tls);
}

/* Steps until there is nothing to do now; the last result. */
static int settle(struct rig *rig) {
  int rc;
  do {
    rc = iotkit_registration_step(rig->registration, rig->now);
  } while (rc == IK_EAGAIN && iotkit_registration_deadline(rig->registration) == 0);
  return rc;
}

static void say_connack(struct rig *rig, char code) {
  const char connack[] = {0x20, 2, 0, code};
  fake_say(&rig->wire, connack, sizeof connack);
}

static void say_message(struct rig *rig, const char *topic, const char *payload) {
  char packet[512];
  const size_t topic_len = strlen(topic);
  const size_t len = 2 + topic_len + strlen(payload);
  assert_true(len >= 1 && len < 16384);
  int printed = snprintf(packet, sizeof packet, "%c%c%c%c%c%s%s", 0x30, (char)(len % 128 | 128),
                         (char)(len / 128), 'x', (char)topic_len, topic, payload);
  assert_true(printed > 0 && (size_t)printed == len + 3);
  packet[3] = 0;
  fake_say(&rig->wire, packet, (size_t)printed);
}

/* The broker ends the connection, which is what follows a DISCONNECT. */
static int hang_up(struct rig *rig) {
  rig->wire.read_error = 0;
  return settle(rig);
}

static int accept_and_say(struct rig *rig, const char *topic, const char *payload) {
  assert_int_equal(settle(rig), IK_EAGAIN);
  say_connack(rig, 0);
  assert_int_equal(settle(rig), IK_EAGAIN);
  fake_forget(&rig->wire);
  say_message(rig, topic, payload);
  assert_int_equal(settle(rig), IK_EAGAIN);
  return iotkit_registration_result(rig->registration);
}

/* ---- what comes of an answer ---- */

static void answers(void **state) {
  static const struct {
    enum iotkit_register_kind kind;
    const char *topic, *payload;
    int rc;
    const char *secret, *client_id, *token, *says;
  } rows[] = {
      {IOTKIT_REGISTER_KNOWN, REGISTER, SECRET, 0, "ds", "", "", ""},
      {IOTKIT_REGISTER_UNKNOWN, REGNWL, TOKEN, 0, "", "ci", "dt", ""},
      /* the fields decide, not the topic */
      {IOTKIT_REGISTER_UNKNOWN, REGISTER, TOKEN, 0, "", "ci", "dt", ""},
      {IOTKIT_REGISTER_KNOWN, REGNWL, SECRET, 0, "ds", "", "", ""},
      {IOTKIT_REGISTER_X509, IOTKIT_IDENTITY_TOPIC, NAMES, 0, "", "", "", ""},
      {IOTKIT_REGISTER_KNOWN, REGISTER, NAMES, IK_EREGISTER_ANSWER, "", "", "", "deviceSecret"},
      {IOTKIT_REGISTER_UNKNOWN, REGNWL, NAMES, IK_EREGISTER_ANSWER, "", "", "", "deviceToken"},
      {IOTKIT_REGISTER_KNOWN, REGISTER, "{", IK_EREGISTER_ANSWER, "", "", "", "JSON"},
      {IOTKIT_REGISTER_KNOWN, REGISTER,
       "{\"productKey\":\"pk\",\"deviceName\":\"other\",\"deviceSecret\":\"TELL\"}",
       IK_EREGISTER_ANSWER, "", "", "", "another device"},
      {IOTKIT_REGISTER_KNOWN, REGISTER, "{\"code\":6289}", IK_EREGISTER_ACTIVATED, "", "", "",
       "6289"},
      {IOTKIT_REGISTER_KNOWN, REGISTER, "{\"code\":6288}", IK_EREGISTER_REFUSED, "", "", "",
       "6288"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct rig rig;
    begin(&rig, (struct iotkit_register_options){.kind = rows[i].kind});
    int rc = accept_and_say(&rig, rows[i].topic, rows[i].payload);
    const char *detail = iotkit_registration_detail(rig.registration);
    if (rc != rows[i].rc || !strstr(detail, rows[i].says) || strstr(detail, "TELL"))
      fail_msg("row %zu: %d, %s", i, rc, detail);
    /* DISCONNECT is all that is said afterwards */
    assert_int_equal(ik_buf_size(&rig.wire.from_client), 2);
    assert_memory_equal(ik_buf_ptr(&rig.wire.from_client), "\xe0\x00", 2);
    assert_int_equal(hang_up(&rig), rows[i].rc);
    const struct iotkit_credentials *got = iotkit_registration_credentials(rig.registration);
    assert_int_equal(got != NULL, rc == 0);
    if (got) {
      assert_string_equal(got->product_key, "pk");
      assert_string_equal(got->device_name, "dn");
      assert_string_equal(got->device_secret, rows[i].secret);
      assert_string_equal(got->client_id, rows[i].client_id);
      assert_string_equal(got->device_token, rows[i].token);
    }
    assert_int_equal(rig.wire.dials, 1);
    end(&rig);
  }
}

static void other_messages_are_no_answer(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, (struct iotkit_register_options){0});
  assert_int_equal(accept_and_say(&rig, "/ext/other", SECRET), IK_EAGAIN);
  say_message(&rig, REGISTER, SECRET);
  assert_int_equal(settle(&rig), IK_EAGAIN);
  assert_int_equal(iotkit_registration_result(rig.registration), 0);
  /* nor is a second one an answer */
  say_message(&rig, REGISTER, "{\"code\":1}");
  assert_int_equal(hang_up(&rig), 0);
  assert_string_equal(iotkit_registration_credentials(rig.registration)->device_secret, "ds");
  end(&rig);
}

/* ---- refused ---- */

static void refusals_by_code(void **state) {
  static const struct {
    enum iotkit_register_kind kind;
    char code;
    int rc;
    const char *says;
  } rows[] = {
      {IOTKIT_REGISTER_KNOWN, 2, IK_EMQTT_CLIENT_ID, "parameter"},
      {IOTKIT_REGISTER_UNKNOWN, 2, IK_EMQTT_CLIENT_ID, "instance"},
      {IOTKIT_REGISTER_KNOWN, 3, IK_EMQTT_UNAVAILABLE, ""},
      {IOTKIT_REGISTER_KNOWN, 4, IK_EREGISTER_REFUSED, "activated already"},
      {IOTKIT_REGISTER_UNKNOWN, 5, IK_EREGISTER_REFUSED, "product secret"},
      {IOTKIT_REGISTER_X509, 2, IK_EMQTT_CLIENT_ID, ""},
      {IOTKIT_REGISTER_X509, 4, IK_EMQTT_CREDENTIALS, ""},
      {IOTKIT_REGISTER_X509, 5, IK_EMQTT_NOT_AUTHORIZED, ""},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct rig rig;
    begin(&rig, (struct iotkit_register_options){.kind = rows[i].kind});
    assert_int_equal(settle(&rig), IK_EAGAIN);
    say_connack(&rig, rows[i].code);
    int rc = settle(&rig);
    const char *detail = iotkit_registration_detail(rig.registration);
    if (rc != rows[i].rc || detail[0] == '\0' || !strstr(detail, rows[i].says))
      fail_msg("row %zu: %d, %s", i, rc, detail);
    assert_null(iotkit_registration_credentials(rig.registration));
    assert_int_equal(rig.wire.dials, 1);
    end(&rig);
  }
}

static void a_connection_that_fails(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, (struct iotkit_register_options){0});
  rig.wire.open_error = IK_ETLS_CLIENT_EXPIRED;
  assert_int_equal(settle(&rig), IK_ETLS_CLIENT_EXPIRED);
  assert_string_equal(iotkit_registration_detail(rig.registration), "as the test wants");
  assert_int_equal(settle(&rig), IK_ETLS_CLIENT_EXPIRED);
  assert_int_equal(rig.wire.dials, 1);
  end(&rig);
}

static void lost_before_the_answer(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, (struct iotkit_register_options){0});
  assert_int_equal(settle(&rig), IK_EAGAIN);
  say_connack(&rig, 0);
  assert_int_equal(settle(&rig), IK_EAGAIN);
  rig.wire.read_error = IK_ECONNECTION_RESET;
  assert_int_equal(settle(&rig), IK_EREGISTER_NO_ANSWER);
  assert_int_equal(rig.wire.dials, 1);
  end(&rig);
}

/* ---- time ---- */

static void the_answer_has_its_time(void **state) {
  static const struct { uint32_t option, takes; } rows[] = {{0, 10000}, {5000, 5000}};
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct rig rig;
    begin(&rig, (struct iotkit_register_options){.answer_timeout_ms = rows[i].option});
    assert_int_equal(settle(&rig), IK_EAGAIN);
    rig.now += 20000; /* connecting has its own */
    say_connack(&rig, 0);
    assert_int_equal(settle(&rig), IK_EAGAIN);
    assert_int_equal(iotkit_registration_deadline(rig.registration), rig.now + rows[i].takes);
    rig.now += rows[i].takes - 1;
    assert_int_equal(settle(&rig), IK_EAGAIN);
    assert_int_equal(iotkit_registration_result(rig.registration), IK_EAGAIN);
    rig.now++;
    assert_int_equal(settle(&rig), IK_EAGAIN);
    assert_int_equal(iotkit_registration_result(rig.registration), IK_EREGISTER_NO_ANSWER);
    say_message(&rig, REGISTER, SECRET); /* too late */
    assert_int_equal(hang_up(&rig), IK_EREGISTER_NO_ANSWER);
    assert_null(iotkit_registration_credentials(rig.registration));
    end(&rig);
  }
}

static void connecting_has_its_time(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, (struct iotkit_register_options){.connect_timeout_ms = 3000});
  assert_int_equal(settle(&rig), IK_EAGAIN);
  assert_int_equal(iotkit_registration_deadline(rig.registration), T0 + 3000);
  rig.now += 3000;
  assert_int_equal(settle(&rig), IK_ECONNECT_TIMEOUT);
  end(&rig);
}

/* A broker that does not hang up holds nobody for long. */
static void ends_though_the_broker_stays(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, (struct iotkit_register_options){0});
  assert_int_equal(accept_and_say(&rig, REGISTER, SECRET), 0);
  rig.now += 2000;
  assert_int_equal(settle(&rig), 0);
  end(&rig);
}

/* ---- with a file ---- */

static const struct iotkit_register_options kept_in_file = {.credentials_file = "kept"};

static void registers_once(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, kept_in_file);
  assert_int_equal(accept_and_say(&rig, REGISTER, SECRET), 0);
  world_assert_names(".", "kept"); /* before anybody hears of it */
  assert_int_equal(hang_up(&rig), 0);
  end(&rig);
  begin(&rig, kept_in_file);
  assert_int_equal(settle(&rig), 0);
  assert_int_equal(rig.wire.dials, 0);
  assert_string_equal(iotkit_registration_credentials(rig.registration)->device_secret, "ds");
  end(&rig);
}

static void others_wait_for_the_file(void **state) {
  struct rig first, second;
  (void)state;
  begin(&first, kept_in_file);
  begin(&second, kept_in_file);
  assert_int_equal(settle(&first), IK_EAGAIN);
  assert_int_equal(settle(&second), IK_EAGAIN);
  assert_int_equal(second.wire.dials, 0);
  assert_int_equal(iotkit_registration_deadline(second.registration), T0 + 50);
  second.now += 49;
  assert_int_equal(settle(&second), IK_EAGAIN);
  assert_int_equal(iotkit_registration_deadline(second.registration), T0 + 50);
  assert_int_equal(accept_and_say(&first, REGISTER, SECRET), 0);
  second.now++;
  assert_int_equal(settle(&second), 0);
  assert_int_equal(second.wire.dials, 0);
  assert_string_equal(iotkit_registration_credentials(second.registration)->device_secret, "ds");
  end(&second);
  end(&first);
}

static void the_next_one_registers_if_one_fails(void **state) {
  struct rig first, second;
  (void)state;
  begin(&first, kept_in_file);
  begin(&second, kept_in_file);
  assert_int_equal(settle(&first), IK_EAGAIN);
  assert_int_equal(settle(&second), IK_EAGAIN);
  say_connack(&first, 4);
  assert_int_equal(settle(&first), IK_EREGISTER_REFUSED);
  world_assert_names(".", "");
  second.now += 50;
  assert_int_equal(accept_and_say(&second, REGISTER, SECRET), 0);
  end(&second);
  end(&first);
  world_assert_names(".", "kept");
}

static void waiting_for_the_file_ends(void **state) {
  struct rig first, second;
  struct iotkit_register_options options = kept_in_file;
  (void)state;
  options.connect_timeout_ms = 3000;
  options.answer_timeout_ms = 2000;
  begin(&first, kept_in_file);
  begin(&second, options);
  assert_int_equal(settle(&first), IK_EAGAIN);
  assert_int_equal(settle(&second), IK_EAGAIN);
  second.now += 4999;
  assert_int_equal(settle(&second), IK_EAGAIN);
  second.now += 50;
  assert_int_equal(settle(&second), IK_EFILE_LOCKED);
  end(&second);
  end(&first);
}

static void an_answer_that_cannot_be_kept(void **state) {
  struct rig rig;
  (void)state;
  begin(&rig, kept_in_file);
  assert_int_equal(settle(&rig), IK_EAGAIN);
  assert_int_equal(remove("kept.part"), 0);
  assert_int_equal(accept_and_say(&rig, REGISTER, SECRET), IK_EFILE);
  assert_null(iotkit_registration_credentials(rig.registration));
  assert_int_equal(hang_up(&rig), IK_EFILE);
  end(&rig);
}

static void a_file_that_is_refused(void **state) {
  struct rig rig;
  (void)state;
  world_put("kept", "{", 1);
  assert_int_equal(chmod("kept", 0600), 0);
  begin(&rig, kept_in_file);
  assert_int_equal(settle(&rig), IK_ECREDENTIALS_DAMAGED);
  assert_non_null(strstr(iotkit_registration_detail(rig.registration), "kept"));
  assert_int_equal(rig.wire.dials, 0);
  end(&rig);
}

/* ---- use ---- */

static void says_what_it_says(void **state) {
  static const char want[] = "\x00\x04MQTT\x04\xc2\x01\x2c\x00";
  struct rig rig;
  char text[512] = "";
  (void)state;
  begin(&rig, (struct iotkit_register_options){.method = IOTKIT_SIGN_HMACMD5});
  assert_int_equal(settle(&rig), IK_EAGAIN);
  const size_t len = ik_buf_size(&rig.wire.from_client);
  const uint8_t *packet = ik_buf_ptr(&rig.wire.from_client);
  assert_true(len > 20 && len < sizeof text && packet[0] == 0x10);
  assert_memory_equal(packet + 2, want, sizeof want - 1);
  memcpy(text, packet + 14, len - 14);
  assert_ptr_equal(strstr(text, "pk.dn|securemode=2,authType=register,random="), text);
  const char *rest = strstr(text, ",signmethod=hmacmd5|");
  assert_non_null(rest);
  assert_memory_equal(rest + 20,
                      "\x00\x05"
                      "dn&pk"
                      "\x00\x20",
                      9);
  assert_int_equal((size_t)(rest - text) + 20 + 9 + 32, len - 14);
  end(&rig);
}

static void bad_options(void **state) {
  const struct iotkit_tls_options deferred = {.deferred = true};
  iotkit_registration_t *registration = (iotkit_registration_t *)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls;
  assert_int_equal(iotkit_tls_new(&deferred, &tls, NULL), 0);
  struct iotkit_register_options options = {.host = "broker",
                                            .port = 1883,
                                            .product_key = "pk",
                                            .device_name = "dn",
                                            .product_secret = "TELL"};
  assert_int_equal(iotkit_registration_new(&options, &registration, detail), IK_ETLS_REQUIRED);
  assert_non_null(strstr(detail, "tls"));
  assert_null(registration);
  options.tls = tls;
  options.port = 0;
  assert_int_equal(iotkit_registration_new(&options, &registration, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "port"));
  options.port = 1883;
  options.product_secret = NULL;
  assert_int_equal(iotkit_registration_new(&options, &registration, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "product_secret"));
  options.product_secret = "TELL";
  options.credentials_file = "";
  assert_int_equal(iotkit_registration_new(&options, &registration, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "credentials_file"));
  struct iotkit_register_options x509 = {.kind = IOTKIT_REGISTER_X509,
                                         .host = "broker",
                                         .port = 1883,
                                         .tls = tls,
                                         .credentials_file = "kept"};
  assert_int_equal(iotkit_registration_new(&x509, &registration, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "credentials_file"));
  assert_int_equal(iotkit_registration_new(NULL, &registration, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_registration_new(&options, NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_register(&options, NULL, detail), IK_EINVALID_ARGUMENT);
  iotkit_tls_unref(tls);

  iotkit_registration_free(NULL);
  iotkit_registration_interrupt(NULL);
  iotkit_registration_set_waker(NULL, NULL, NULL);
  assert_int_equal(iotkit_registration_step(NULL, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_registration_wait(NULL, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_registration_result(NULL), IK_EINVALID_ARGUMENT);
  assert_string_equal(iotkit_registration_detail(NULL), "");
  assert_null(iotkit_registration_credentials(NULL));
  assert_int_equal(iotkit_registration_fd(NULL), -1);
  assert_int_equal(iotkit_registration_interest(NULL), 0);
  assert_true(iotkit_registration_deadline(NULL) == UINT64_MAX);
}

static void a_connected_device_does_not_register(void **state) {
  struct rig rig, second;
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct iotkit_register_options none = {0};
  struct iotkit_register_options options = {.host = "broker",
                                            .port = 1883,
                                            .product_key = "pk",
                                            .device_name = "dn",
                                            .product_secret = "TELL"};
  (void)state;
  begin(&rig, none);
  options.tls = rig.tls;
  fake_wire_init(&second.wire);
  assert_int_equal(
      ik_registration_new_over(&options, fake_dial, &second.wire, &second.registration, detail),
      IK_EMQTT_IN_USE);
  assert_null(second.registration);
  fake_wire_free(&second.wire);
  end(&rig);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers),
      cmocka_unit_test(other_messages_are_no_answer),
      cmocka_unit_test(refusals_by_code),
      cmocka_unit_test(a_connection_that_fails),
      cmocka_unit_test(lost_before_the_answer),
      cmocka_unit_test(the_answer_has_its_time),
      cmocka_unit_test(connecting_has_its_time),
      cmocka_unit_test(ends_though_the_broker_stays),
      IN_DIRECTORY(registers_once),
      IN_DIRECTORY(others_wait_for_the_file),
      IN_DIRECTORY(the_next_one_registers_if_one_fails),
      IN_DIRECTORY(waiting_for_the_file_ends),
      IN_DIRECTORY(an_answer_that_cannot_be_kept),
      IN_DIRECTORY(a_file_that_is_refused),
      cmocka_unit_test(says_what_it_says),
      cmocka_unit_test(bad_options),
      cmocka_unit_test(a_connected_device_does_not_register),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
