/*
 * iot_ota_config.c - iotx_ota_get_config: asks for the remote configuration, which then becomes the
 * handle's job as firmware does.
 */
#include <string.h>

#include "base/limits.h"
#include "published/iot_ota_handle.h"

static int get_config(struct iot_ota *ota, const char *configScope, const char *getType,
                      const char *attributeKeys) {
  if (IOT_OTA_IsFetching(ota)) {
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_INVALID_STATE);
  }
  if (strlen(configScope) > IK_CONFIG_TEXT_MAX || strlen(getType) > IK_CONFIG_TEXT_MAX ||
      strlen(attributeKeys) > IK_CONFIG_TEXT_MAX) {
    return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED, IOT_OTAE_STR_TOO_LONG);
  }
  int rc = ik_config_ask(ota->config, configScope, getType, attributeKeys, NULL);
  if (rc >= 0) return 0;
  return ik_iot_ota_fail(ota, IK_IOT_OTA_FAILED,
                         rc == IK_EINVALID_ARGUMENT ? IOT_OTAE_INVALID_PARAM : IOT_OTAE_OSC_FAILED);
}

int iotx_ota_get_config(void *handle, const char *configScope, const char *getType,
                        const char *attributeKeys) {
  if (configScope == NULL || getType == NULL || attributeKeys == NULL)
    return IOT_OTAE_INVALID_PARAM;
  struct iot_ota *ota = ik_iot_ota_enter(handle);
  if (ota == NULL) return IOT_OTAE_INVALID_PARAM;
  return ik_iot_ota_leave(ota, get_config(ota, configScope, getType, attributeKeys));
}
