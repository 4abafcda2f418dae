/*
 * The published connecting and log functions: values, sign-in texts, settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"

#include "iot_export.h"
#include "iotkit_ota.h"

/* ---- layout ---- */

static void layout_and_values(void **state) {
  (void)state;
  if (sizeof(void *) == 8) {
    assert_int_equal(sizeof(iotx_mqtt_param_t), 88);
    assert_int_equal(sizeof(iotx_mqtt_topic_info_t), 32);
    assert_int_equal(sizeof(iotx_mqtt_event_msg_t), 16);
    assert_int_equal(offsetof(iotx_mqtt_param_t, pub_key), 40);
    assert_int_equal(offsetof(iotx_mqtt_param_t, handle_event), 72);
  }
  assert_int_equal(IOTX_MQTT_EVENT_DISCONNECT, 1);
  assert_int_equal(IOTX_MQTT_EVENT_PUBLISH_RECEIVED, 12);
  assert_int_equal(IOTX_MQTT_EVENT_BUFFER_OVERFLOW, 13);
  assert_int_equal(IOTX_IOCTL_SET_MQTT_DOMAIN, 2);
  assert_int_equal(IOTX_IOCTL_SET_ENDPOINT, 13);
  assert_int_equal(IOTX_CLOUD_REGION_GERMANY, 4);
  assert_int_equal(MQTT_TOPIC_FORMAT_ERROR, -41);
  assert_int_equal(IOT_LOG_DEBUG, 5);
}

/* ---- connecting ---- */

static const iotx_conn_info_t *setup(const char *product_key, const char *device_name,
                                     const char *secret) {
  void *info = NULL;
  return IOT_SetupConnInfo(product_key, device_name, secret, &info) == 0 ? info : NULL;
}

static void set_number(int option, int value, int want) {
  assert_int_equal(IOT_Ioctl(option, &value), want);
}

static void set_text(int option, const char *value) {
  char copy[64];
  snprintf(copy, sizeof(copy), "%s", value);
  assert_int_equal(IOT_Ioctl(option, copy), 0);
}

/*
 * The texts were recorded from the published SDK (TCP), whose demo adds "pid" and "mid" to the
 * client id.
 */
static void sign_in_as_published(void **state) {
  (void)state;
  static const char secret[] = "0123456789abcdef0123456789abcdef";
  static const char *const hosts[] = {"cn-shanghai", "ap-southeast-1", "ap-northeast-1",
                                      "us-west-1", "eu-central-1"};
  char host[128];
  set_number(IOTX_IOCTL_SET_MQTT_TLS, 0, 0);
  set_number(IOTX_IOCTL_SET_SIGN_METHOD, IOTKIT_SIGN_HMACSHA1, 0);
  const iotx_conn_info_t *info = setup("a1OracleKey", "oracledev1", secret);
  assert_non_null(info);
  assert_int_equal(info->port, 1883);
  assert_null(info->pub_key);
  assert_string_equal(info->client_id,
                      "a1OracleKey.oracledev1|securemode=3,_v=sdk-c-2.3.0,timestamp=2524608000000,"
                      "signmethod=hmacsha1,lan=C,gw=0,ext=0|");
  assert_string_equal(info->username, "oracledev1&a1OracleKey");
  assert_string_equal(info->password, "d6c5b59e24de51ad695e93a738aff2c768a89dea");
  for (int region = 0; region < 5; region++) {
    int value = -1;
    set_number(IOTX_IOCTL_SET_REGION, region, 0);
    assert_int_equal(IOT_Ioctl(IOTX_IOCTL_GET_REGION, &value), 0);
    assert_int_equal(value, region);
    snprintf(host, sizeof(host), "a1OracleKey.iot-as-mqtt.%s.aliyuncs.com", hosts[region]);
    assert_string_equal(setup("a1OracleKey", "oracledev1", secret)->host_name, host);
  }
  set_number(IOTX_IOCTL_SET_REGION, 6, FAIL_RETURN);
  set_number(IOTX_IOCTL_SET_REGION, 5, 0);
  assert_null(setup("a1OracleKey", "oracledev1", secret)); /* CUSTOM, but no domain yet */
  set_text(IOTX_IOCTL_SET_MQTT_DOMAIN, "mybroker.example.com");
  set_number(IOTX_IOCTL_SET_MQTT_PORT, 1884, 0);
  set_number(IOTX_IOCTL_SET_MQTT_PORT, 65536, FAIL_RETURN);
  info = setup("a1OracleKey", "oracledev1", secret);
  assert_string_equal(info->host_name, "a1OracleKey.mybroker.example.com");
  assert_int_equal(info->port, 1884);
  set_text(IOTX_IOCTL_SET_ENDPOINT, "inst.example.com");
  assert_string_equal(setup("a1OracleKey", "oracledev1", secret)->host_name, "inst.example.com");
  const iotx_conn_info_t *other =
      setup("pppppppppppppppppppp", "dddddddddddddddddddddddddddddddd", secret);
  assert_string_equal(other->password, "0721db49b8314cbc960c6b1d90c796c3fa418965");
  assert_string_equal(info->username,
                      "oracledev1&a1OracleKey"); /* the first device's texts are still there */
  set_text(IOTX_IOCTL_SET_ENDPOINT, "");
  set_number(IOTX_IOCTL_SET_MQTT_PORT, 0, 0);
  set_number(IOTX_IOCTL_SET_REGION, 0, 0);
  set_number(IOTX_IOCTL_SET_MQTT_TLS, 1, 0);
  info = setup("a1OracleKey", "oracledev1", secret);
  assert_int_equal(info->port, 443);
  assert_string_equal(info->pub_key, "");
  assert_non_null(strstr(info->client_id, "securemode=2"));
  set_number(IOTX_IOCTL_SET_SIGN_METHOD, IOTKIT_SIGN_HMACSHA256, 0);
}

static void sign_in_with_sha256_unless_told(void **state) {
  (void)state;
  const iotx_conn_info_t *info = setup("a1OracleKey", "oracledev1", "secret");
  assert_non_null(strstr(info->client_id, "signmethod=hmacsha256"));
  assert_int_equal(strlen(info->password), 64);
  set_number(IOTX_IOCTL_SET_SIGN_METHOD, IOTKIT_SIGN_HMACMD5, 0);
  info = setup("a1OracleKey", "oracledev1", "secret");
  assert_non_null(strstr(info->client_id, "signmethod=hmacmd5"));
  assert_int_equal(strlen(info->password), 32);
  set_number(IOTX_IOCTL_SET_SIGN_METHOD, 3, FAIL_RETURN);
  set_number(IOTX_IOCTL_SET_SIGN_METHOD, IOTKIT_SIGN_HMACSHA256, 0);
}

static void sign_in_refuses(void **state) {
  (void)state;
  static const char secret[] = "0123456789abcdef0123456789abcdef";
  char long_secret[70];
  memset(long_secret, 's', sizeof(long_secret) - 1);
  long_secret[sizeof(long_secret) - 1] = '\0';
  assert_null(setup(NULL, "d", secret));
  assert_null(setup("", "d", secret));
  assert_null(setup("p", NULL, secret));
  assert_null(setup("p", "", secret));
  assert_null(setup("p", "d", NULL));
  assert_null(setup("p", "d", ""));
  assert_null(setup("ppppppppppppppppppppp", "d", secret));
  assert_null(setup("p", "ddddddddddddddddddddddddddddddddd", secret));
  assert_null(setup("p", "d", long_secret));
  assert_int_equal(IOT_SetupConnInfo("p", "d", secret, NULL), 0);
  assert_int_equal(IOT_Ioctl(IOTX_IOCTL_SET_REGION, NULL), FAIL_RETURN);
  set_number(99, 1, FAIL_RETURN);
  set_number(-1, 1, FAIL_RETURN);
  set_number(IOTX_IOCTL_SET_ENV, 0, FAIL_RETURN);
}

static void log_functions(void **state) {
  (void)state;
  IOT_SetLogLevel((IOT_LogLevel)9); /* no such level: no effect */
  IOT_SetLogLevel(IOT_LOG_NONE);
  IOT_DumpMemoryStats(IOT_LOG_DEBUG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layout_and_values),    cmocka_unit_test(sign_in_with_sha256_unless_told),
      cmocka_unit_test(sign_in_as_published), cmocka_unit_test(sign_in_refuses),
      cmocka_unit_test(log_functions),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
