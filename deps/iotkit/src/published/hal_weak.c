/* Tested by deps/iotkit/test/published/test_hal.c. */
/*
 * hal_weak.c - HAL functions that only the program can implement: these say so until it does.
 */
#include "published/hal.h"

static int nothing(char *out) {
  if (!out) return -1;
  out[0] = '\0';
  return 0;
}

HAL_WEAK int HAL_GetFirmwareVersion(char *version) {
  return nothing(version);
}

HAL_WEAK int HAL_GetPartnerID(char *pid_str) {
  return nothing(pid_str);
}

HAL_WEAK int HAL_GetModuleID(char *mid_str) {
  return nothing(mid_str);
}

HAL_WEAK void HAL_Firmware_Persistence_Start(void) {}

HAL_WEAK int HAL_Firmware_Persistence_Write(char *buffer, uint32_t length) {
  (void)buffer;
  (void)length;
  return -1;
}

HAL_WEAK int HAL_Firmware_Persistence_Stop(void) {
  return -1;
}
