/*
 * hal_identity.c - the identity that HAL_Set* keep and HAL_Get* give: the only state of the process
 * in this SDK, because these functions have no handle. Guarded by a flag that is held for one short
 * copy at a time.
 */
#include "iot_import.h"

#include <stdatomic.h>

struct text {
  char bytes[DEVICE_SECRET_MAXLEN];
};

static atomic_flag busy = ATOMIC_FLAG_INIT;
static struct text product_key;
static struct text device_name;
static struct text device_secret;
static struct text product_secret;

_Static_assert(sizeof(struct text) >= PRODUCT_SECRET_MAXLEN, "every value fits");

static void lock(void) {
  while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {}
}

static void unlock(void) {
  atomic_flag_clear_explicit(&busy, memory_order_release);
}

static int set_text(struct text *text, const char *value, size_t max) {
  size_t len = value ? strlen(value) : 0;
  if (!value || len > max) return -1;
  lock();
  memset(text->bytes, 0, sizeof text->bytes); /* nothing of a longer secret stays behind */
  memcpy(text->bytes, value, len);
  unlock();
  return (int)len;
}

static int get_text(const struct text *text, char *out) {
  size_t len;
  if (!out) return -1;
  lock();
  len = strlen(text->bytes);
  memcpy(out, text->bytes, len + 1);
  unlock();
  return (int)len;
}

int HAL_SetProductKey(char *value) {
  return set_text(&product_key, value, PRODUCT_KEY_LEN);
}

int HAL_SetDeviceName(char *value) {
  return set_text(&device_name, value, DEVICE_NAME_LEN);
}

int HAL_SetDeviceSecret(char *value) {
  return set_text(&device_secret, value, DEVICE_SECRET_LEN);
}

int HAL_SetProductSecret(char *value) {
  return set_text(&product_secret, value, PRODUCT_SECRET_LEN);
}

int HAL_GetProductKey(char out[PRODUCT_KEY_MAXLEN]) {
  return get_text(&product_key, out);
}

int HAL_GetDeviceName(char out[DEVICE_NAME_MAXLEN]) {
  return get_text(&device_name, out);
}

int HAL_GetDeviceSecret(char out[DEVICE_SECRET_MAXLEN]) {
  return get_text(&device_secret, out);
}

int HAL_GetProductSecret(char out[PRODUCT_SECRET_MAXLEN]) {
  return get_text(&product_secret, out);
}
