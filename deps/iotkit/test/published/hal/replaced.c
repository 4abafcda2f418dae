/*
 * A program that brings one HAL function (stub.c) and takes the others from the library. Its
 * argument is the function's name. Exit code 0: it links, its function is what the name means, to
 * the SDK too, and no other name means it.
 */
#include "iot_export.h"
#include "iot_import.h"
#include "published/hal/stub.h"

typedef void (*function)(void);

#define FUNCTION(name)                                                                             \
  { #name, (function)name }

static const struct {
  const char *name;
  function function;
} functions[] = {
    FUNCTION(HAL_Malloc),
    FUNCTION(HAL_Realloc),
    FUNCTION(HAL_Calloc),
    FUNCTION(HAL_Free),
    FUNCTION(HAL_Printf),
    FUNCTION(HAL_Snprintf),
    FUNCTION(HAL_Vsnprintf),
    FUNCTION(HAL_SleepMs),
    FUNCTION(HAL_UptimeMs),
    FUNCTION(HAL_Srandom),
    FUNCTION(HAL_Random),
    FUNCTION(HAL_MutexCreate),
    FUNCTION(HAL_MutexDestroy),
    FUNCTION(HAL_MutexLock),
    FUNCTION(HAL_MutexUnlock),
    FUNCTION(HAL_SemaphoreCreate),
    FUNCTION(HAL_SemaphoreDestroy),
    FUNCTION(HAL_SemaphorePost),
    FUNCTION(HAL_SemaphoreWait),
    FUNCTION(HAL_ThreadCreate),
    FUNCTION(HAL_ThreadDetach),
    FUNCTION(HAL_ThreadDelete),
    FUNCTION(HAL_SetProductKey),
    FUNCTION(HAL_SetDeviceName),
    FUNCTION(HAL_SetDeviceSecret),
    FUNCTION(HAL_SetProductSecret),
    FUNCTION(HAL_GetProductKey),
    FUNCTION(HAL_GetDeviceName),
    FUNCTION(HAL_GetDeviceSecret),
    FUNCTION(HAL_GetProductSecret),
    FUNCTION(HAL_GetFirmwareVersion),
    FUNCTION(HAL_GetPartnerID),
    FUNCTION(HAL_GetModuleID),
    FUNCTION(HAL_Firmware_Persistence_Start),
    FUNCTION(HAL_Firmware_Persistence_Write),
    FUNCTION(HAL_Firmware_Persistence_Stop),
};

static int failed(const char *what, const char *name) {
  fprintf(stderr, "%s: %s\n", name, what);
  return EXIT_FAILURE;
}

static bool is_one_of(const char *name, const char *list) {
  const char *at = strstr(list, name);
  return at != NULL && at[strlen(name)] == ' ';
}

/* Lets the SDK call what it calls itself, up to the one that says nothing. */
static bool called_by_sdk(const char *name) {
  char key[] = "a1stub", device[] = "d", secret[] = "s";
  (void)IOT_SetupConnInfo(key, device, secret, NULL);
  if (is_one_of(name, "HAL_GetPartnerID HAL_GetModuleID ")) return hal_stub_calls == 1;
  if (!is_one_of(name, "HAL_GetProductKey HAL_GetDeviceName HAL_GetDeviceSecret ")) return true;
  HAL_SetProductKey(key);
  HAL_SetDeviceName(device);
  HAL_SetDeviceSecret(secret);
  return IOT_MQTT_Construct(NULL) == NULL && hal_stub_calls == 1;
}

int main(int argc, char **argv) {
  bool found = false;
  if (argc != 2) return EXIT_FAILURE;
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    const bool same = functions[i].function == hal_stub;
    const bool wanted = strcmp(functions[i].name, argv[1]) == 0;
    found = found || wanted;
    if (wanted && !same) return failed("the library's function is used", argv[1]);
    if (!wanted && same) return failed("another function is replaced too", functions[i].name);
  }
  if (!found) return failed("is missing in this test", argv[1]);
  return called_by_sdk(argv[1]) ? EXIT_SUCCESS : failed("the SDK does not call it", argv[1]);
}
