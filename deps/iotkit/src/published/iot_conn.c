/*
 * iot_conn.c - IOT_SetupConnInfo and the settings of IOT_Ioctl.
 *
 * The published functions have no handle, so this state is the process's: the settings, and one
 * entry for each device that was set up, which is never freed because its texts were handed out.
 * Guarded by the lock of the process.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/sign_vendor.h"
#include "base/limits.h"
#include "iot_export.h"
#include "iot_import.h"
#include "port/port.h"
#include "published/iot_conn.h"

#define TLS_PORT 443
#define TCP_PORT 1883
#define DEVICES_MAX 10000
#define PATIENCE_MAX_S 86400

enum { TLS_OFF = 0, TLS_ON = 1 };

struct settings {
  int region;
  int port;        /* 0: by tls */
  int tls;         /* TLS_OFF: only because the program has asked for it */
  int sign_method; /* enum iotkit_sign_method */
  int patience_s;  /* of FetchYield */
  char domain[IK_HOST_MAX + 1];
  char endpoint[IK_HOST_MAX + 1];
};

struct device {
  struct device *next;
  iotx_conn_info_t info; /* points into the texts below */
  char product_key[IK_PRODUCT_KEY_MAX + 1];
  char device_name[IK_DEVICE_NAME_MAX + 1];
  char host[IK_PRODUCT_KEY_MAX + 1 + IK_HOST_MAX + 1];
  struct ik_sign_vendor sign;
};

static struct settings current = {.region = IOTX_CLOUD_REGION_SHANGHAI, .tls = TLS_ON};
static struct device *devices;
static size_t device_count;

static struct settings settings(void) {
  ik_process_lock();
  const struct settings copy = current;
  ik_process_unlock();
  return copy;
}

/* ---- IOT_Ioctl ---- */

static int set_number(int *setting, int value, int min, int max) {
  if (value < min || value > max) return FAIL_RETURN;
  ik_process_lock();
  *setting = value;
  ik_process_unlock();
  return SUCCESS_RETURN;
}

static int set_host(char setting[IK_HOST_MAX + 1], const char *value) {
  const size_t len = strlen(value);
  if (len > IK_HOST_MAX) return FAIL_RETURN;
  ik_process_lock();
  memcpy(setting, value, len + 1);
  ik_process_unlock();
  return SUCCESS_RETURN;
}

static int set_domain(const char *value) {
  const int rc = set_host(current.domain, value);
  return rc == SUCCESS_RETURN
             ? set_number(&current.region, IOTX_CLOUD_REGION_CUSTOM, 0, IOTX_CLOUD_REGION_CUSTOM)
             : rc;
}

int IOT_Ioctl(int option, void *data) {
  if (!data) return FAIL_RETURN;
  switch (option) {
  case IOTX_IOCTL_SET_REGION:
    return set_number(&current.region, *(int *)data, 0, IOTX_CLOUD_REGION_CUSTOM);
  case IOTX_IOCTL_GET_REGION:
    *(int *)data = settings().region;
    return SUCCESS_RETURN;
  case IOTX_IOCTL_SET_MQTT_PORT:
    return set_number(&current.port, *(int *)data, 0, UINT16_MAX);
  case IOTX_IOCTL_SET_SIGN_METHOD:
    return set_number(&current.sign_method, *(int *)data, IOTKIT_SIGN_HMACSHA256,
                      IOTKIT_SIGN_HMACMD5);
  case IOTX_IOCTL_SET_MQTT_TLS:
    return set_number(&current.tls, *(int *)data, TLS_OFF, TLS_ON);
  case IOTX_IOCTL_SET_FETCH_PATIENCE:
    return set_number(&current.patience_s, *(int *)data, 0, PATIENCE_MAX_S);
  case IOTX_IOCTL_SET_MQTT_DOMAIN:
    return set_domain(data);
  case IOTX_IOCTL_SET_ENDPOINT:
    return set_host(current.endpoint, data);
  default:
    return FAIL_RETURN;
  }
}

uint32_t ik_iot_fetch_patience_ms(void) {
  return (uint32_t)settings().patience_s * 1000;
}

/* ---- IOT_SetupConnInfo ---- */

static int make_host(const struct settings *set, const char *product_key, struct device *device) {
  static const char *const regions[] = {"cn-shanghai", "ap-southeast-1", "ap-northeast-1",
                                        "us-west-1", "eu-central-1"};
  struct ik_buf host;
  int rc;
  ik_buf_init(&host, sizeof(device->host) - 1);
  if (set->endpoint[0])
    rc = ik_buf_append_str(&host, set->endpoint);
  else if (set->region < IOTX_CLOUD_REGION_CUSTOM)
    rc = ik_buf_printf(&host, "%s.iot-as-mqtt.%s.aliyuncs.com", product_key, regions[set->region]);
  else if (set->domain[0])
    rc = ik_buf_printf(&host, "%s.%s", product_key, set->domain);
  else
    rc = IK_EINVALID_ARGUMENT; /* region CUSTOM without a domain */
  if (rc == 0) {
    memcpy(device->host, ik_buf_ptr(&host), ik_buf_size(&host));
    device->host[ik_buf_size(&host)] = '\0';
  }
  ik_buf_free(&host);
  return rc;
}

static void point(struct device *device, bool tls, int port) {
  device->info = (iotx_conn_info_t){.port = (uint16_t)(port ? port : (tls ? TLS_PORT : TCP_PORT)),
                                    .init = 1,
                                    .host_name = device->host,
                                    .client_id = device->sign.client_id,
                                    .username = device->sign.username,
                                    .password = device->sign.password,
                                    .pub_key = tls ? "" : NULL};
}

/* Finds the entry of a device or makes it; lock held. */
static struct device *entry_of(const struct device *like) {
  struct device *device = devices;
  while (device && (strcmp(device->product_key, like->product_key) != 0 ||
                    strcmp(device->device_name, like->device_name) != 0))
    device = device->next;
  if (device || device_count >= DEVICES_MAX) return device;
  device = calloc(1, sizeof(*device));
  if (!device) return NULL;
  device->next = devices;
  devices = device;
  device_count++;
  return device;
}

static iotx_conn_info_t *keep(const struct device *made, bool tls, int port) {
  ik_process_lock();
  struct device *device = entry_of(made);
  if (device) {
    struct device *next = device->next;
    *device = *made;
    device->next = next;
    point(device, tls, port);
  }
  ik_process_unlock();
  return device ? &device->info : NULL;
}

/* What the program says about its maker, through HAL functions that it may define. */
static void maker(char pid[PID_STRLEN_MAX + 1], char mid[MID_STRLEN_MAX + 1]) {
  memset(pid, 0, PID_STRLEN_MAX + 1);
  memset(mid, 0, MID_STRLEN_MAX + 1);
  HAL_GetPartnerID(pid);
  HAL_GetModuleID(mid);
}

int IOT_SetupConnInfo(const char *product_key, const char *device_name, const char *device_secret,
                      void **info_ptr) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  char pid[PID_STRLEN_MAX + 1];
  char mid[MID_STRLEN_MAX + 1];
  struct device made = {0};
  const struct settings set = settings();
  const bool tls = set.tls != TLS_OFF;
  maker(pid, mid);
  const struct ik_sign_vendor_options options = {
      .product_key = product_key,
      .device_name = device_name,
      .device_secret = device_secret,
      .method = (enum iotkit_sign_method)set.sign_method,
      .tls = tls,
      .partner_id = pid,
      .module_id = mid,
  };
  if (info_ptr) *info_ptr = NULL;
  int rc = ik_sign_vendor(&options, &made.sign, detail);
  if (rc == 0) rc = make_host(&set, product_key, &made);
  if (rc < 0) {
    ik_log(IOTKIT_LOG_ERROR, "IOT_SetupConnInfo: %s%s%s", iotkit_strerror(rc),
           detail[0] ? ": " : "", detail);
    return FAIL_RETURN;
  }
  memcpy(made.product_key, product_key,
         strlen(product_key) + 1); /* the lengths were checked by the sign-in */
  memcpy(made.device_name, device_name, strlen(device_name) + 1);
  iotx_conn_info_t *info = keep(&made, tls, set.port);
  if (info && info_ptr) *info_ptr = info;
  return info ? SUCCESS_RETURN : FAIL_RETURN;
}

/* ---- log ---- */

void IOT_SetLogLevel(IOT_LogLevel level) {
  if (level < IOT_LOG_NONE || level > IOT_LOG_DEBUG) return;
  iotkit_log_set((enum iotkit_log_level)level, NULL, NULL);
}

void IOT_DumpMemoryStats(IOT_LogLevel level) {
  if (level < IOT_LOG_CRIT || level > IOT_LOG_DEBUG) return;
  ik_log((enum iotkit_log_level)level,
         "memory is counted by the C library's allocator, not by the SDK");
}
