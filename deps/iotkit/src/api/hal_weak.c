/*
 * hal_weak.c - HAL functions that only the program can fill with life. Each stands until the
 * program defines its own.
 */
#include "iot_import.h"

#define WEAK __attribute__((weak))

static int nothing(char *out) {
  if (!out) return -1;
  out[0] = '\0';
  return 0;
}

WEAK int HAL_GetFirmwareVersion(char *version) {
  return nothing(version);
}

WEAK int HAL_GetPartnerID(char *pid_str) {
  return nothing(pid_str);
}

WEAK int HAL_GetModuleID(char *mid_str) {
  return nothing(mid_str);
}

WEAK void HAL_Firmware_Persistence_Start(void) {}

WEAK int HAL_Firmware_Persistence_Write(char *buffer, uint32_t length) {
  (void)buffer;
  (void)length;
  return -1;
}

WEAK int HAL_Firmware_Persistence_Stop(void) {
  return -1;
}
