/*
 * iot_ota_ioctl.c - IOT_OTA_Ioctl. Every other function here runs with the handle's mutex held and
 * returns 0 or the last error to note.
 */
#include <string.h>

#include "base/codec.h"
#include "iot_import.h"
#include "published/iot_ota_handle.h"

static bool is_number(const void *buf, size_t len) {
  return len == sizeof(uint32_t) && (uintptr_t)buf % sizeof(uint32_t) == 0;
}

static int put_u32(void *buf, size_t len, uint32_t value) {
  if (!is_number(buf, len)) return IOT_OTAE_INVALID_PARAM;
  memcpy(buf, &value, sizeof(value));
  return 0;
}

/* A size, in 4 bytes if it fits or in 8. */
static int put_size(void *buf, size_t len, uint64_t value) {
  if (len == sizeof(uint64_t) && (uintptr_t)buf % sizeof(uint32_t) == 0) {
    memcpy(buf, &value, sizeof(value));
    return 0;
  }
  if (value > UINT32_MAX) return IOT_OTAE_INVALID_PARAM;
  return put_u32(buf, len, (uint32_t)value);
}

static int put_text(char *buf, size_t len, const char *text) {
  size_t n = strlen(text);
  memset(buf, 0, len);
  memcpy(buf, text, n < len ? n : len - 1);
  return 0;
}

static int put_md5(char *buf, size_t len, const struct ik_announcement *announcement) {
  char text[2 * IOTKIT_DIGEST_MAX + 1];
  const bool decides = announcement->upgrade.digest_method == IOTKIT_DIGEST_MD5;
  memset(buf, 0, len);
  if (!decides && !announcement->has_md5) return IOT_OTAE_GENERAL;
  ik_hex_encode(decides ? announcement->upgrade.digest : announcement->md5, IK_ANNOUNCEMENT_MD5_LEN,
                text);
  return put_text(buf, len, text);
}

/* A new copy of a configuration's text into a char * that is NULL, whatever the length says. */
static int put_copy(void *buf, const char *text) {
  char *out;
  if ((uintptr_t)buf % sizeof(uint32_t) != 0) return IOT_OTAE_INVALID_PARAM;
  memcpy(&out, buf, sizeof(out));
  if (out != NULL) return IOT_OTAE_INVALID_PARAM;
  size_t len = strlen(text) + 1;
  out = HAL_Malloc((uint32_t)len);
  if (out == NULL) return IOT_OTAE_NOMEM;
  memcpy(out, text, len);
  memcpy(buf, &out, sizeof(out));
  return 0;
}

/* A text that configurations do not have. */
static int put_of_firmware(const struct iot_ota *ota, char *buf, size_t len, const char *text) {
  int rc = put_text(buf, len, text);
  return ik_iot_ota_config(ota) == NULL ? rc : IOT_OTAE_GENERAL;
}

/* Whether what was fetched has its digest: firmware, or a configuration (`of_config`). */
static int check(struct iot_ota *ota, bool of_config, void *buf, size_t len) {
  if (!is_number(buf, len)) return IOT_OTAE_INVALID_PARAM;
  if (ota->state != IOT_OTAS_FETCHED || (ik_iot_ota_config(ota) != NULL) != of_config) {
    return IOT_OTAE_INVALID_STATE;
  }
  ota->end_seen = true;
  return put_u32(buf, len, iotkit_job_check(ota->job) == 0 ? 1 : 0);
}

/* While it is fetched, the image starts over; after the end only the count is reset. */
static int reset_fetched_size(struct iot_ota *ota) {
  iotkit_job_t *again;
  if (ota->state != IOT_OTAS_FETCHING) {
    ota->not_counted = iotkit_job_received(ota->job);
    return 0;
  }
  if (iotkit_job_dup(ota->job, &again) != 0) return IOT_OTAE_NOMEM;
  ik_iot_ota_start(ota, again);
  return 0;
}

static int reset_state(struct iot_ota *ota) {
  iotkit_job_abort(ota->job);
  iotkit_job_unref(ota->job);
  ota->job = NULL;
  ik_iot_ota_set_state(ota, IOT_OTAS_INITED);
  ik_iot_ota_start_waiting(ota);
  return 0;
}

static IOT_OTA_Type_t type_under_way(const struct iot_ota *ota) {
  if (ota->state != IOT_OTAS_FETCHING) return IOT_OTAT_NONE;
  return ik_iot_ota_config(ota) != NULL ? IOT_OTAT_COTA : IOT_OTAT_FOTA;
}

static int get_number(const struct iot_ota *ota, IOT_OTA_CmdType_t type, void *buf, size_t len) {
  const uint64_t size = iotkit_job_upgrade(ota->job)->size;
  switch (type) {
  case IOT_OTAG_COTA_CONFIG_SIZE:
    return put_size(buf, len, ik_iot_ota_config(ota) != NULL ? size : 0);
  case IOT_OTAG_OTA_TYPE:
    return put_u32(buf, len, type_under_way(ota));
  case IOT_OTAG_FETCHED_SIZE:
    return put_size(buf, len, iotkit_job_received(ota->job) - ota->not_counted);
  default:
    return put_size(buf, len, size);
  }
}

static int get_text(const struct iot_ota *ota, IOT_OTA_CmdType_t type, char *buf, size_t len) {
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(ota->job);
  if (type == IOT_OTAG_MD5SUM) return put_md5(buf, len, ik_job_announcement(ota->job));
  return put_of_firmware(ota, buf, len,
                         type == IOT_OTAG_VERSION ? upgrade->version : upgrade->module);
}

static int get_config_text(const struct iot_ota *ota, IOT_OTA_CmdType_t type, void *buf) {
  const struct iotkit_config_info *config = ik_iot_ota_config(ota);
  if (config == NULL) return IOT_OTAE_INVALID_PARAM;
  switch (type) {
  case IOT_OTAG_COTA_CONFIG_ID:
    return put_copy(buf, config->config_id);
  case IOT_OTAG_COTA_SIGN:
    return put_copy(buf, config->sign);
  case IOT_OTAG_COTA_SIGN_METHOD:
    return put_copy(buf, config->sign_method);
  case IOT_OTAG_COTA_URL:
    return put_copy(buf, iotkit_job_upgrade(ota->job)->url);
  default:
    return put_copy(buf, config->get_type);
  }
}

static int ioctl(struct iot_ota *ota, IOT_OTA_CmdType_t type, void *buf, size_t len) {
  switch (type) {
  case IOT_OTAG_COTA_CONFIG_SIZE:
  case IOT_OTAG_OTA_TYPE:
  case IOT_OTAG_FETCHED_SIZE:
  case IOT_OTAG_FILE_SIZE:
    return get_number(ota, type, buf, len);
  case IOT_OTAG_MD5SUM:
  case IOT_OTAG_VERSION:
  case IOT_OTAG_MODULE:
    return get_text(ota, type, buf, len);
  case IOT_OTAG_COTA_CONFIG_ID:
  case IOT_OTAG_COTA_SIGN:
  case IOT_OTAG_COTA_SIGN_METHOD:
  case IOT_OTAG_COTA_URL:
  case IOT_OTAG_COTA_GETTYPE:
    return get_config_text(ota, type, buf);
  case IOT_OTAG_CHECK_FIRMWARE:
  case IOT_OTAG_CHECK_CONFIG:
    return check(ota, type == IOT_OTAG_CHECK_CONFIG, buf, len);
  case IOT_OTAG_RESET_FETCHED_SIZE:
    return reset_fetched_size(ota);
  case IOT_OTAG_RESET_STATE:
    return reset_state(ota);
  }
  return IOT_OTAE_INVALID_PARAM;
}

int IOT_OTA_Ioctl(void *handle, IOT_OTA_CmdType_t type, void *buf, size_t buf_len) {
  struct iot_ota *ota = buf != NULL && buf_len > 0 ? ik_iot_ota_enter(handle) : NULL;
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  ik_mutex_lock(ota->mutex);
  int error = IOT_OTAE_INVALID_STATE;
  int returned = IOT_OTAE_INVALID_STATE;
  /* Deinit may have begun since, and nothing may bring the state back from there. */
  if (ota->state == IOT_OTAS_FETCHING || ota->state == IOT_OTAS_FETCHED) {
    error = ioctl(ota, type, buf, buf_len);
    returned = error == 0 ? 0 : IK_IOT_OTA_FAILED;
  }
  if (error != 0) ota->last_error = error;
  ik_mutex_unlock(ota->mutex);
  return ik_iot_ota_leave(ota, returned);
}
