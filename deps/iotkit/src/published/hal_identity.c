/* Tested by deps/iotkit/test/published/test_hal.c. */
/*
 * hal_identity.c - the identity that HAL_Set* keep and HAL_Get* give: the only state of the process
 * in this SDK, because these functions have no handle. Guarded by the lock of the process.
 */
#include "port/port.h"
#include "published/hal.h"

struct text {
  char bytes[DEVICE_SECRET_MAXLEN];
};

static struct text product_key;
static struct text device_name;
static struct text device_secret;
static struct text product_secret;

_Static_assert(sizeof(struct text) >= PRODUCT_SECRET_MAXLEN, "every value fits");

static int set_text(struct text *text, const char *value, size_t max) {
  size_t len = value ? strlen(value) : 0;
  if (!value || len > max) return -1;
  ik_process_lock();
  memset(text->bytes, 0, sizeof text->bytes); /* nothing of a longer secret stays behind */
  memcpy(text->bytes, value, len);
  ik_process_unlock();
  return (int)len;
}

static int get_text(const struct text *text, char *out) {
  size_t len;
  if (!out) return -1;
  ik_process_lock();
  len = strlen(text->bytes);
  memcpy(out, text->bytes, len + 1);
  ik_process_unlock();
  return (int)len;
}

HAL_WEAK int HAL_SetProductKey(char *value) {
  return set_text(&product_key, value, PRODUCT_KEY_LEN);
}

HAL_WEAK int HAL_SetDeviceName(char *value) {
  return set_text(&device_name, value, DEVICE_NAME_LEN);
}

HAL_WEAK int HAL_SetDeviceSecret(char *value) {
  return set_text(&device_secret, value, DEVICE_SECRET_LEN);
}

HAL_WEAK int HAL_SetProductSecret(char *value) {
  return set_text(&product_secret, value, PRODUCT_SECRET_LEN);
}

HAL_WEAK int HAL_GetProductKey(char out[PRODUCT_KEY_MAXLEN]) {
  return get_text(&product_key, out);
}

HAL_WEAK int HAL_GetDeviceName(char out[DEVICE_NAME_MAXLEN]) {
  return get_text(&device_name, out);
}

HAL_WEAK int HAL_GetDeviceSecret(char out[DEVICE_SECRET_MAXLEN]) {
  return get_text(&device_secret, out);
}

HAL_WEAK int HAL_GetProductSecret(char out[PRODUCT_SECRET_MAXLEN]) {
  return get_text(&product_secret, out);
}
