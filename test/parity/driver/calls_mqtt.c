/*
 * calls_mqtt.c - connecting and MQTT. Contexts of subscriptions live until the process ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "iot_export.h"
#include "iot_import.h"

#define PAYLOAD_SHOWN 1024

static void on_event(void *context, void *client, iotx_mqtt_event_msg_pt msg) {
  char topic[2 * 128 + 1] = "";
  char payload[2 * PAYLOAD_SHOWN + 1] = "";
  (void)client;
  if (msg->event_type != IOTX_MQTT_EVENT_PUBLISH_RECEIVED) {
    add_event("\"on\":\"%s\",\"type\":%d", (const char *)context, (int)msg->event_type);
    return;
  }
  const iotx_mqtt_topic_info_t *info = msg->msg;
  to_hex((const uint8_t *)info->ptopic, info->topic_len < 128 ? info->topic_len : 128, topic);
  to_hex((const uint8_t *)info->payload,
         info->payload_len < PAYLOAD_SHOWN ? info->payload_len : PAYLOAD_SHOWN, payload);
  add_event("\"on\":\"%s\",\"type\":%d,\"qos\":%d,\"dup\":%d,\"retain\":%d,\"topic\":\"%s\","
            "\"len\":%u,\"payload\":\"%s\"",
            (const char *)context, (int)msg->event_type, info->qos, info->dup, info->retain, topic,
            (unsigned)info->payload_len, payload);
}

static char *keep(const char *text) {
  char *copy = strdup(text);
  if (copy == NULL) abort();
  return copy;
}

/* @name host port client user password clean timeout keepalive write read */
static void construct(struct arg *args, struct answer *answer) {
  iotx_mqtt_param_t param = {.host = args[1].text,
                             .port = (uint16_t)args[2].number,
                             .client_id = args[3].text,
                             .username = args[4].text,
                             .password = args[5].text,
                             .clean_session = (uint8_t)args[6].number,
                             .request_timeout_ms = (uint32_t)args[7].number,
                             .keepalive_interval_ms = (uint32_t)args[8].number,
                             .write_buf_size = (uint32_t)args[9].number,
                             .read_buf_size = (uint32_t)args[10].number};
  param.handle_event.h_fp = on_event;
  param.handle_event.pcontext = keep(args[0].text);
  void *handle = IOT_MQTT_Construct(&param);
  set_handle(args[0].text, handle);
  answer->is_handle = true;
  answer->made = handle != NULL;
}

static void destroy(struct arg *args, struct answer *answer) {
  void *handle = handle_of(&args[0]);
  answer->ret = IOT_MQTT_Destroy(&handle);
  if (!args[0].is_null) set_handle(args[0].text, handle);
}

static void destroy_null(struct arg *args, struct answer *answer) {
  (void)args;
  answer->ret = IOT_MQTT_Destroy(NULL);
}

static void yield(struct arg *args, struct answer *answer) {
  answer->ret = IOT_MQTT_Yield(handle_of(&args[0]), (int)args[1].number);
}

static void check_state(struct arg *args, struct answer *answer) {
  answer->ret = IOT_MQTT_CheckStateNormal(handle_of(&args[0]));
}

/* Packet ids are unlike from run to run: any is 1. */
static int64_t id_or_error(int returned) {
  return returned > 0 ? 1 : returned;
}

/* handle filter qos with-function */
static void subscribe(struct arg *args, struct answer *answer) {
  answer->ret = id_or_error(IOT_MQTT_Subscribe(
      handle_of(&args[0]), args[1].text, (iotx_mqtt_qos_t)args[2].number,
      args[3].number != 0 ? on_event : NULL, args[1].text != NULL ? keep(args[1].text) : NULL));
}

/* handle filter qos with-function timeout */
static void subscribe_sync(struct arg *args, struct answer *answer) {
  answer->ret = id_or_error(IOT_MQTT_Subscribe_Sync(
      handle_of(&args[0]), args[1].text, (iotx_mqtt_qos_t)args[2].number,
      args[3].number != 0 ? on_event : NULL, args[1].text != NULL ? keep(args[1].text) : NULL,
      (int)args[4].number));
}

static void unsubscribe(struct arg *args, struct answer *answer) {
  answer->ret = id_or_error(IOT_MQTT_Unsubscribe(handle_of(&args[0]), args[1].text));
}

/* handle topic qos retain payload */
static void publish(struct arg *args, struct answer *answer) {
  iotx_mqtt_topic_info_t info = {.qos = (uint8_t)args[2].number,
                                 .retain = (uint8_t)args[3].number,
                                 .payload = args[4].text,
                                 .payload_len =
                                     args[4].text != NULL ? (uint32_t)strlen(args[4].text) : 0};
  answer->ret = id_or_error(IOT_MQTT_Publish(handle_of(&args[0]), args[1].text, &info));
}

static void publish_null(struct arg *args, struct answer *answer) {
  answer->ret = IOT_MQTT_Publish(handle_of(&args[0]), args[1].text, NULL);
}

/* handle topic qos payload */
static void publish_simple(struct arg *args, struct answer *answer) {
  int len = args[3].text != NULL ? (int)strlen(args[3].text) : 0;
  answer->ret = id_or_error(IOT_MQTT_Publish_Simple(handle_of(&args[0]), args[1].text,
                                                    (int)args[2].number, args[3].text, len));
}

/* product key, device name, secret, with-info; what was made is an event */
static void setup(struct arg *args, struct answer *answer) {
  void *made = NULL;
  answer->ret = IOT_SetupConnInfo(args[0].text, args[1].text, args[2].text,
                                  args[3].number != 0 ? &made : NULL);
  const iotx_conn_info_t *info = made;
  if (info == NULL) return;
  add_event("\"setup\":\"%u %s %s %s %s %s\"", info->port, info->host_name, info->client_id,
            info->username, info->password, info->pub_key != NULL ? info->pub_key : "NULL");
}

static void ioctl_number(struct arg *args, struct answer *answer) {
  int value = (int)args[1].number;
  answer->ret = IOT_Ioctl((int)args[0].number, &value);
  add_event("\"value\":%d", value);
}

static void ioctl_text(struct arg *args, struct answer *answer) {
  answer->ret = IOT_Ioctl((int)args[0].number, args[1].text);
}

/* The ids that the recorded programs had. */
int HAL_GetPartnerID(char *pid_str) {
  return snprintf(pid_str, PID_STRLEN_MAX + 1, "example.demo.partner-id");
}

int HAL_GetModuleID(char *mid_str) {
  return snprintf(mid_str, MID_STRLEN_MAX + 1, "example.demo.module-id");
}

static void hook(struct arg *args, struct answer *answer) {
  answer->ret = 0;
  set_hook(args[0].text);
}

const struct function mqtt_functions[] = {
    {"IOT_MQTT_Construct", 11, construct},
    {"IOT_MQTT_Destroy", 1, destroy},
    {"IOT_MQTT_Destroy(NULL)", 0, destroy_null},
    {"IOT_MQTT_Yield", 2, yield},
    {"IOT_MQTT_CheckStateNormal", 1, check_state},
    {"IOT_MQTT_Subscribe", 4, subscribe},
    {"IOT_MQTT_Subscribe_Sync", 5, subscribe_sync},
    {"IOT_MQTT_Unsubscribe", 2, unsubscribe},
    {"IOT_MQTT_Publish", 5, publish},
    {"IOT_MQTT_Publish(NULL)", 2, publish_null},
    {"IOT_MQTT_Publish_Simple", 4, publish_simple},
    {"IOT_SetupConnInfo", 4, setup},
    {"IOT_Ioctl", 2, ioctl_number},
    {"IOT_Ioctl(text)", 2, ioctl_text},
    {"hook", 1, hook},
    {NULL, 0, NULL},
};
