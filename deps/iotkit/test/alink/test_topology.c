/*
 * The messages of a gateway: requests byte for byte with HMACs that were computed elsewhere, every
 * documented spelling of what the platform says, and what is refused by name.
 */
#include "alink/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define STAMP UINT64_C(1700000000000)
/* HMACs over "clientIdpk1.dn1deviceNamedn1productKeypk1timestamp1700000000000" with "secret1". */
#define SHA256_1 "2c32328bc013a32fae14bdbf7db37b55d02b2f74a8c0bf036e65207b624bcbfb"
#define SHA1_1 "be59db48e8430ea78ad58cf1078b80d4624db08b"
#define MD5_1 "e277f867012bcef7251b4ec2d5631548"
/* And over the client id "pk2.dn2|_ss=1,_v=x|" of pk2, dn2 with "secret2". */
#define SHA256_2 "4312a05a90fea43fa3040cc66f3dabefd1bcab82063b2f1ea7f48f3754119220"
#define NAMES_1 "\"productKey\":\"pk1\",\"deviceName\":\"dn1\""
#define NAMES_2 "\"productKey\":\"pk2\",\"deviceName\":\"dn2\""
#define LOGIN_1                                                                                    \
  "{" NAMES_1 ",\"clientId\":\"pk1.dn1\",\"timestamp\":\"1700000000000\",\"signMethod\":"          \
  "\"hmacSha256\",\"sign\":\"" SHA256_1 "\",\"cleanSession\":\"true\"}"
#define LOGIN_2                                                                                    \
  "{" NAMES_2 ",\"clientId\":\"pk2.dn2|_ss=1,_v=x|\",\"timestamp\":\"1700000000000\","             \
  "\"signMethod\":\"hmacSha256\",\"sign\":\"" SHA256_2 "\",\"cleanSession\":\"false\"}"
#define ADD_1(method, sign)                                                                        \
  "{\"id\":\"7\",\"version\":\"1.0\",\"params\":[{" NAMES_1 ",\"clientId\":\"pk1.dn1\","           \
  "\"timestamp\":\"1700000000000\",\"signmethod\":\"" method "\",\"sign\":\"" sign "\"}],"         \
  "\"method\":\"thing.topo.add\"}"

/* Over "deviceNamedn1productKeypk1random42". */
#define PROVISION_1 "45a208b83b9f1053f4f7cb8ce2e83b50f1e517127f7042aa84b9a9d787fe13be"

static const struct ik_topo_device devices[] = {
    {.product_key = "pk1", .device_name = "dn1", .device_secret = "secret1", .random = 42},
    {.product_key = "pk2",
     .device_name = "dn2",
     .device_secret = "secret2",
     .client_id = "pk2.dn2|_ss=1,_v=x|",
     .keep_session = true},
};

static void assert_written(const struct ik_buf *buf, const char *want) {
  char text[2048];
  assert_true(ik_buf_size(buf) < sizeof(text));
  snprintf(text, sizeof(text), "%.*s", (int)ik_buf_size(buf), (const char *)ik_buf_ptr(buf));
  assert_string_equal(text, want);
}

static void writes_each_request(void **state) {
  static const struct {
    enum ik_topo_action action;
    size_t count;
    const char *want;
  } rows[] = {
      {IK_TOPO_DELETE, 2,
       "{\"id\":\"7\",\"version\":\"1.0\",\"params\":[{" NAMES_1 "},{" NAMES_2
       "}],\"method\":\"thing.topo.delete\"}"},
      {IK_TOPO_GET, 0,
       "{\"id\":\"7\",\"version\":\"1.0\",\"params\":{},\"method\":\"thing.topo.get\"}"},
      {IK_TOPO_FOUND, 1,
       "{\"id\":\"7\",\"version\":\"1.0\",\"params\":[{" NAMES_1
       "}],\"method\":\"thing.list.found\"}"},
      {IK_TOPO_REGISTER, 1,
       "{\"id\":\"7\",\"version\":\"1.0\",\"params\":[{" NAMES_1
       "}],\"method\":\"thing.sub.register\"}"},
      {IK_TOPO_PROVISION, 1,
       "{\"id\":\"7\",\"version\":\"1.0\",\"params\":{\"proxieds\":[{" NAMES_1
       ",\"random\":\"42\",\"signMethod\":\"hmacSha256\",\"sign\":\"" PROVISION_1
       "\"}]},\"method\":\"thing.proxy.provisioning.product_register\"}"},
      {IK_TOPO_LOGIN, 1, "{\"id\":\"7\",\"params\":" LOGIN_1 "}"},
      {IK_TOPO_LOGIN_BATCH, 2,
       "{\"id\":\"7\",\"params\":{\"deviceList\":[" LOGIN_1 "," LOGIN_2 "]}}"},
      {IK_TOPO_LOGOUT, 1, "{\"id\":\"7\",\"params\":{" NAMES_1 "}}"},
      {IK_TOPO_LOGOUT_BATCH, 2, "{\"id\":\"7\",\"params\":[{" NAMES_1 "},{" NAMES_2 "}]}"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_buf buf;
    ik_buf_init(&buf, 8 * IK_KIB);
    assert_int_equal(ik_topo_write(&buf, 7, rows[i].action, devices, rows[i].count, STAMP), 0);
    assert_written(&buf, rows[i].want);
    ik_buf_free(&buf);
  }
}

static void signs_by_each_method(void **state) {
  static const struct {
    enum iotkit_sign_method method;
    const char *want;
  } rows[] = {
      {IOTKIT_SIGN_HMACSHA256, ADD_1("hmacSha256", SHA256_1)},
      {IOTKIT_SIGN_HMACSHA1, ADD_1("hmacSha1", SHA1_1)},
      {IOTKIT_SIGN_HMACMD5, ADD_1("hmacMd5", MD5_1)},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_topo_device device = devices[0];
    struct ik_buf buf;
    ik_buf_init(&buf, 8 * IK_KIB);
    device.method = rows[i].method;
    assert_int_equal(ik_topo_write(&buf, 7, IK_TOPO_ADD, &device, 1, STAMP), 0);
    assert_written(&buf, rows[i].want);
    ik_buf_free(&buf);
  }
}

static void keeps_to_the_counts_of_a_message(void **state) {
  static const struct {
    enum ik_topo_action action;
    size_t max;
  } rows[] = {
      {IK_TOPO_ADD, 30},       {IK_TOPO_REGISTER, 30},     {IK_TOPO_LOGIN_BATCH, 50},
      {IK_TOPO_LOGOUT, 1},     {IK_TOPO_LOGOUT_BATCH, 50}, {IK_TOPO_GET, 0},
      {IK_TOPO_PROVISION, 30},
  };
  struct ik_topo_device many[51];
  (void)state;
  for (size_t i = 0; i < COUNT(many); i++)
    many[i] = devices[0];
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_buf buf;
    ik_buf_init(&buf, 64 * IK_KIB);
    assert_int_equal(ik_topo_max(rows[i].action), rows[i].max);
    assert_int_equal(ik_topo_write(&buf, 1, rows[i].action, many, rows[i].max, STAMP), 0);
    assert_int_equal(ik_topo_write(&buf, 1, rows[i].action, many, rows[i].max + 1, STAMP),
                     IK_EINVALID_ARGUMENT);
    if (rows[i].max > 0)
      assert_int_equal(ik_topo_write(&buf, 1, rows[i].action, many, 0, STAMP),
                       IK_EINVALID_ARGUMENT);
    ik_buf_free(&buf);
  }
}

static void names_the_bad_field_and_never_its_value(void **state) {
  static const struct {
    enum ik_topo_action action;
    struct ik_topo_device device;
    int rc;
    const char *said;
  } rows[] = {
      {IK_TOPO_DELETE, {.product_key = "pk", .device_name = "dn"}, 0, ""},
      {IK_TOPO_LOGIN, {.product_key = "pk", .device_name = "dn", .device_secret = "s"}, 0, ""},
      {IK_TOPO_DELETE, {.device_name = "dn"}, IK_EINVALID_ARGUMENT, "product_key is missing"},
      {IK_TOPO_DELETE, {.product_key = "pk"}, IK_EINVALID_ARGUMENT, "device_name is missing"},
      {IK_TOPO_DELETE,
       {.product_key = "a/b", .device_name = "dn"},
       IK_EINVALID_ARGUMENT,
       "product_key has a character"},
      {IK_TOPO_GET,
       {.product_key = "012345678901234567890", .device_name = "dn"},
       IK_ETOO_LONG,
       "product_key has 21 characters, the limit is 20"},
      {IK_TOPO_ADD,
       {.product_key = "pk", .device_name = "dn"},
       IK_EINVALID_ARGUMENT,
       "device_secret is missing"},
      {IK_TOPO_ADD,
       {.product_key = "pk", .device_name = "dn", .device_secret = "s", .client_id = ""},
       IK_EINVALID_ARGUMENT,
       "client_id is missing"},
      {IK_TOPO_ADD,
       {.product_key = "pk", .device_name = "dn", .device_secret = "s", .client_id = "\xff"},
       IK_EINVALID_ARGUMENT,
       "client_id is not UTF-8"},
      {IK_TOPO_ADD,
       {.product_key = "pk",
        .device_name = "dn",
        .device_secret = "s",
        .method = (enum iotkit_sign_method)9},
       IK_EINVALID_ARGUMENT,
       "method 9 is not known"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_topo_check(rows[i].action, &rows[i].device, detail);
    if (rc != rows[i].rc || strstr(detail, rows[i].said) == NULL)
      fail_msg("row %zu: %d %s", i, rc, detail);
  }
}

static void makes_and_reads_topics(void **state) {
  static const struct {
    enum ik_topo_action action;
    const char *topic;
  } rows[] = {
      {IK_TOPO_ADD, "/sys/g/d/thing/topo/add"},
      {IK_TOPO_DELETE, "/sys/g/d/thing/topo/delete"},
      {IK_TOPO_GET, "/sys/g/d/thing/topo/get"},
      {IK_TOPO_FOUND, "/sys/g/d/thing/list/found"},
      {IK_TOPO_REGISTER, "/sys/g/d/thing/sub/register"},
      {IK_TOPO_PROVISION, "/sys/g/d/thing/proxy/provisioning/product_register"},
      {IK_TOPO_LOGIN, "/ext/session/g/d/combine/login"},
      {IK_TOPO_LOGIN_BATCH, "/ext/session/g/d/combine/batch_login"},
      {IK_TOPO_LOGOUT, "/ext/session/g/d/combine/logout"},
      {IK_TOPO_LOGOUT_BATCH, "/ext/session/g/d/combine/batch_logout"},
  };
  static const char *const pushed[IK_TOPO_PUSHES] = {
      "/sys/g/d/thing/topo/add/notify", "/sys/g/d/thing/topo/change", "/ext/error/g/d",
      "/sys/g/d/thing/gateway/permit",  "/sys/g/d/thing/disable",     "/sys/g/d/thing/enable",
      "/sys/g/d/thing/delete"};
  char topic[IK_OTA_TOPIC_MAX];
  char want[IK_OTA_TOPIC_MAX];
  struct ik_str key;
  struct ik_str name;
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    assert_int_equal(ik_topo_topic(rows[i].action, "g", "d", topic), 0);
    assert_string_equal(topic, rows[i].topic);
    assert_int_equal(ik_topo_reply_topic(rows[i].action, "g", "d", topic), 0);
    snprintf(want, sizeof(want), "%s_reply", rows[i].topic);
    assert_string_equal(topic, want);
  }
  for (int i = 0; i < IK_TOPO_PUSHES; i++) {
    enum ik_topo_push push = (enum ik_topo_push)i;
    const bool acked = push != IK_TOPO_CHANGE && push != IK_TOPO_ERROR;
    assert_int_equal(ik_topo_push_topic(push, "g", "d", topic), 0);
    assert_string_equal(topic, pushed[i]);
    for (int other = 0; other < IK_TOPO_PUSHES; other++)
      assert_int_equal(ik_topo_push_names((enum ik_topo_push)other, ik_str(topic), &key, &name),
                       other == i);
    assert_true(ik_topo_push_names(push, ik_str(topic), &key, &name));
    assert_true(ik_str_eq(key, IK_STR("g")) && ik_str_eq(name, IK_STR("d")));
    assert_int_equal(ik_topo_ack_topic(push, "g", "d", want), acked ? 0 : IK_EINVALID_ARGUMENT);
    if (!acked) continue;
    snprintf(topic, sizeof(topic), "%s_reply", pushed[i]);
    assert_string_equal(want, topic);
  }
  assert_false(ik_topo_push_names(IK_TOPO_DISABLE, IK_STR("/sys//d/thing/disable"), &key, &name));
  assert_false(ik_topo_push_names(IK_TOPO_DISABLE, IK_STR("/sys/g/thing/disable"), &key, &name));
  assert_false(ik_topo_push_names(IK_TOPO_ERROR, IK_STR("/ext/error/g"), &key, &name));
  assert_false(ik_topo_push_names(IK_TOPO_ERROR, IK_STR("/ext/error/g/d/e"), &key, &name));
  assert_false(ik_topo_push_names(IK_TOPO_ERROR, IK_STR(""), &key, &name));
}

/* ---- reading ---- */

/* Of just its size, so that a read beyond it is seen. IK_TOPO_PUSHES: a reply. */
static int read_as(enum ik_topo_push push, const char *json, struct ik_topo_message *out,
                   char *detail) {
  size_t len = strlen(json);
  char *text = malloc(len > 0 ? len : 1);
  assert_non_null(text);
  memcpy(text, json, len);
  detail[0] = '\0';
  const struct ik_str slice = {text, len};
  int rc = push == IK_TOPO_PUSHES ? ik_topo_read_reply(slice, out, detail)
                                  : ik_topo_read_push(push, slice, out, detail);
  free(text);
  return rc;
}

/* "id code message change: pk/dn[/secret][/iotId] …" */
static void describe(const struct ik_topo_message *message, char *out, size_t cap) {
  size_t at = (size_t)snprintf(out, cap, "%s %u %s %d:", message->id, message->code,
                               message->message, (int)message->change);
  for (size_t i = 0; i < message->count; i++) {
    const struct iotkit_subdevice_name *entry = &message->entries[i];
    const bool secret = entry->device_secret != NULL;
    const bool iot = entry->iot_id != NULL;
    at +=
        (size_t)snprintf(out + at, cap - at, " %s/%s%s%s%s%s", entry->product_key,
                         entry->device_name, secret ? "/" : "", secret ? entry->device_secret : "",
                         iot ? "/" : "", iot ? entry->iot_id : "");
  }
}

static void reads_every_spelling(void **state) {
  static const struct {
    enum ik_topo_push push;
    const char *json;
    const char *want;
  } rows[] = {
      {IK_TOPO_PUSHES, "{\"id\":\"7\",\"code\":200,\"message\":\"success\",\"data\":{}}",
       "7 200 success 0:"},
      {IK_TOPO_PUSHES, "{\"id\":7,\"code\":\"200\",\"data\":{" NAMES_1 "}}", "7 200  0: pk1/dn1"},
      {IK_TOPO_PUSHES, "{\"id\":\"7\",\"code\":200,\"data\":[{" NAMES_1 "},{" NAMES_2 "}]}",
       "7 200  0: pk1/dn1 pk2/dn2"},
      {IK_TOPO_PUSHES, "{\"code\":200,\"data\":[]}", " 200  0:"},
      {IK_TOPO_PUSHES, "{\"code\":200}", " 200  0:"},
      {IK_TOPO_PUSHES,
       "{\"id\":\"1\",\"code\":200,\"data\":[{\"iotId\":\"i1\"," NAMES_1
       ",\"deviceSecret\":\"s\\u0031\"}]}",
       "1 200  0: pk1/dn1/s1/i1"},
      {IK_TOPO_PUSHES,
       "{\"id\":\"1\",\"code\":6401,\"message\":\"no relation\",\"data\":{\"deviceList\":[{" NAMES_2
       "}]}}",
       "1 6401 no relation 0: pk2/dn2"},
      {IK_TOPO_PUSHES,
       "{\"id\":\"1\",\"code\":200,\"data\":{\"failures\":[{" NAMES_2 "}],\"successes\":[{" NAMES_1
       ",\"deviceSecret\":\"s1\"}]}}",
       "1 200  0: pk1/dn1/s1"},
      {IK_TOPO_PUSHES, "{\"id\":\"1\",\"code\":521,\"msg\":\"gone\",\"data\":\"pk1\"}",
       "1 521 gone 0:"},
      {IK_TOPO_PUSHES,
       "{\"id\":\"1\",\"code\":460,\"data\":[{" NAMES_1 "},{\"deviceName\":\"x\"}]}", "1 460  0:"},
      {IK_TOPO_ERROR, "{\"id\":\"9\",\"code\":427,\"message\":\"kicked\",\"data\":{" NAMES_1 "}}",
       "9 427 kicked 0: pk1/dn1"},
      {IK_TOPO_NOTIFY,
       "{\"id\":\"5\",\"version\":\"1.0\",\"params\":[{" NAMES_1
       "}],\"method\":\"thing.topo.add.notify\"}",
       "5 0  0: pk1/dn1"},
      {IK_TOPO_CHANGE,
       "{\"id\":\"5\",\"version\":\"1.0\",\"params\":{\"status\":\"8\",\"subList\":[{" NAMES_1
       "},{" NAMES_2 "}]},\"method\":\"thing.topo.change\"}",
       "5 0  8: pk1/dn1 pk2/dn2"},
      {IK_TOPO_CHANGE, "{\"params\":{\"status\":2,\"subList\":[{" NAMES_1 "}]}}", " 0  2: pk1/dn1"},
      {IK_TOPO_DISABLE, "{\"id\":\"3\",\"version\":\"1.0\",\"params\":{}}", "3 0  0:"},
      {IK_TOPO_REMOVE, "{\"id\":4,\"params\":\"{}\"}", "4 0  0:"},
  };
  char detail[IOTKIT_DETAIL_MAX];
  char text[512];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_topo_message message;
    int rc = read_as(rows[i].push, rows[i].json, &message, detail);
    if (rc != 0) fail_msg("row %zu: %d %s", i, rc, detail);
    describe(&message, text, sizeof(text));
    assert_string_equal(text, rows[i].want);
    ik_topo_message_free(&message);
  }
}

static void reads_who_may_join_and_how_long(void **state) {
  static const struct {
    const char *params;
    const char *product_key;
    uint32_t timeout_s;
  } rows[] = {
      {"{\"productKey\":\"pk1\",\"timeout\":60}", "pk1", 60},
      {"{\"productKey\":\"pk1\",\"time\":\"200\"}", "pk1", 200},
      {"{\"timeout\":99999999999}", "", UINT32_MAX},
      {"{\"productKey\":\"\",\"timeout\":-1}", "", 0},
      {"{\"productKey\":null,\"timeout\":\"soon\"}", "", 0},
      {"{}", "", 0},
  };
  char detail[IOTKIT_DETAIL_MAX];
  char text[256];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_topo_message message;
    snprintf(text, sizeof(text), "{\"id\":\"8\",\"params\":%s}", rows[i].params);
    const int rc = read_as(IK_TOPO_PERMIT, text, &message, detail);
    if (rc != 0) fail_msg("row %zu: %d %s", i, rc, detail);
    assert_string_equal(message.id, "8");
    assert_string_equal(message.product_key, rows[i].product_key);
    assert_int_equal(message.timeout_s, rows[i].timeout_s);
    ik_topo_message_free(&message);
  }
}

static void refuses_by_name(void **state) {
  static const struct {
    enum ik_topo_push push;
    const char *json;
    int rc;
    const char *said;
  } rows[] = {
      {IK_TOPO_PUSHES, "", IK_ENOTICE_JSON, ""},
      {IK_TOPO_PUSHES, "[]", IK_ENOTICE_FIELD, "message: is not an object"},
      {IK_TOPO_PERMIT, "{\"id\":1,\"params\":\"pk\"}", IK_ENOTICE_FIELD,
       "params: is not an object"},
      {IK_TOPO_PERMIT, "{\"params\":{\"productKey\":[1]}}", IK_ENOTICE_FIELD, "productKey: "},
      {IK_TOPO_PUSHES, "{\"id\":{}}", IK_ENOTICE_FIELD, "id: is neither"},
      {IK_TOPO_PUSHES, "{\"id\":1}", IK_ENOTICE_FIELD, "code: is missing"},
      {IK_TOPO_PUSHES, "{\"code\":\"x\"}", IK_ENOTICE_FIELD, "code: is not a whole number"},
      {IK_TOPO_PUSHES, "{\"code\":4294967296}", IK_ENOTICE_FIELD, "code: is not a whole number"},
      {IK_TOPO_PUSHES, "{\"code\":200,\"data\":[1]}", IK_ENOTICE_FIELD, "data: has an entry"},
      {IK_TOPO_PUSHES, "{\"code\":200,\"data\":[{\"productKey\":\"pk\"}]}", IK_ENOTICE_FIELD,
       "deviceName: is missing"},
      {IK_TOPO_PUSHES,
       "{\"code\":200,\"data\":[{\"productKey\":\"012345678901234567890\",\"deviceName\":\"d\"}]}",
       IK_ETOO_LONG, "productKey: is longer than 20 bytes"},
      {IK_TOPO_ERROR, "{\"code\":427}", IK_ENOTICE_FIELD, "data: has no list"},
      {IK_TOPO_ERROR, "{\"code\":427,\"data\":{\"productKey\":\"p\"}}", IK_ENOTICE_FIELD,
       "deviceName: is missing"},
      {IK_TOPO_NOTIFY, "{\"id\":\"5\"}", IK_ENOTICE_FIELD, "params: has no list"},
      {IK_TOPO_CHANGE, "{\"id\":\"5\"}", IK_ENOTICE_FIELD, "params: is not an object"},
      {IK_TOPO_CHANGE, "{\"params\":{\"subList\":[]}}", IK_ENOTICE_FIELD, "status: is missing"},
      {IK_TOPO_CHANGE, "{\"params\":{\"status\":3}}", IK_ENOTICE_FIELD, "status: is not known"},
      {IK_TOPO_CHANGE, "{\"params\":{\"status\":1}}", IK_ENOTICE_FIELD, "subList: has no list"},
  };
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_topo_message message;
    int rc = read_as(rows[i].push, rows[i].json, &message, detail);
    if (rc != rows[i].rc || strstr(detail, rows[i].said) == NULL)
      fail_msg("row %zu: %d %s", i, rc, detail);
    ik_topo_message_free(&message);
  }
}

/* As many as a gateway may have, in one answer; one more is too many. */
static void reads_a_whole_topology(void **state) {
  const size_t cap = 256 * IK_KIB;
  char *json = malloc(cap);
  (void)state;
  assert_non_null(json);
  for (int over = 0; over < 2; over++) {
    struct ik_topo_message message;
    char detail[IOTKIT_DETAIL_MAX];
    size_t at =
        (size_t)snprintf(json, cap, "{\"id\":\"1\",\"code\":200,\"message\":\"ok\",\"data\":[");
    for (int i = 0; i < IK_SUBDEVICES_MAX + over; i++)
      at += (size_t)snprintf(json + at, cap - at,
                             "%s{\"productKey\":\"a1234567890\",\"deviceName\":\"dn%d\"}",
                             i > 0 ? "," : "", i);
    snprintf(json + at, cap - at, "]}");
    int rc = read_as(IK_TOPO_PUSHES, json, &message, detail);
    assert_int_equal(rc, over ? IK_ETOO_LONG : 0);
    if (!over) {
      assert_int_equal(message.count, IK_SUBDEVICES_MAX);
      assert_string_equal(message.entries[IK_SUBDEVICES_MAX - 1].device_name, "dn1999");
    }
    ik_topo_message_free(&message);
  }
  free(json);
}

static void answers_with_the_id_as_it_came(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, IK_KIB);
  assert_int_equal(ik_topo_write_ack(&buf, "a\"b"), 0);
  assert_written(&buf, "{\"id\":\"a\\\"b\",\"code\":200,\"data\":{}}");
  ik_buf_free(&buf);
}

static void knows_the_codes(void **state) {
  static const struct {
    uint32_t code;
    int error;
  } rows[] = {
      {200, 0},
      {401, IK_ESUBDEVICE_SIGN},
      {6287, IK_ESUBDEVICE_SIGN},
      {427, IK_ESUBDEVICE_KICKED},
      {428, IK_ESUBDEVICE_LIMIT},
      {6400, IK_ESUBDEVICE_LIMIT},
      {429, IK_EGATEWAY_THROTTLED},
      {500, IK_EGATEWAY_THROTTLED},
      {521, IK_ESUBDEVICE_UNKNOWN},
      {6100, IK_ESUBDEVICE_UNKNOWN},
      {522, IK_ESUBDEVICE_DISABLED},
      {6204, IK_ESUBDEVICE_DISABLED},
      {6401, IK_ESUBDEVICE_NOT_OURS},
      {6619, IK_ESUBDEVICE_BOUND},
      {460, IK_EGATEWAY_REFUSED},
      {6402, IK_EGATEWAY_REFUSED},
      {0, IK_EGATEWAY_REFUSED},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_int_equal(ik_topo_error(rows[i].code), rows[i].error);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_each_request),
      cmocka_unit_test(signs_by_each_method),
      cmocka_unit_test(keeps_to_the_counts_of_a_message),
      cmocka_unit_test(names_the_bad_field_and_never_its_value),
      cmocka_unit_test(makes_and_reads_topics),
      cmocka_unit_test(reads_every_spelling),
      cmocka_unit_test(reads_who_may_join_and_how_long),
      cmocka_unit_test(refuses_by_name),
      cmocka_unit_test(reads_a_whole_topology),
      cmocka_unit_test(answers_with_the_id_as_it_came),
      cmocka_unit_test(knows_the_codes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
