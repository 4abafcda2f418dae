/**
 * @file
 * iot_import.h - the HAL_* functions that programs written for the published SDK call.
 *
 * The SDK brings them all. A program may define any of them itself, one or many: its definition
 * counts, the others stay, and none of the others calls it. What works on one kind of handle
 * (HAL_Mutex*, HAL_Semaphore*, HAL_Thread*) belongs together, as Malloc and Free do, unless the
 * replacement gives and takes the same handles. A definition in a static library counts when that is
 * linked before libiotkit.
 *
 * The SDK itself calls HAL_GetPartnerID and HAL_GetModuleID in IOT_SetupConnInfo, HAL_GetProductKey,
 * HAL_GetDeviceName and HAL_GetDeviceSecret where IOT_MQTT_Construct is given no parameters, and
 * HAL_Malloc for texts that the program frees by HAL_Free. Buffers of the Get functions have the
 * sizes stated here, the ending NUL included.
 */
#ifndef IOT_IMPORT_H
#define IOT_IMPORT_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Marks of the direction of a parameter, and of what a library exports.
 * @{
 */
#ifndef _IN_
#define _IN_
#endif
#ifndef _OU_
#define _OU_
#endif
#ifndef DLL_HAL_API
#define DLL_HAL_API IOTKIT_API
#endif
#ifndef DLL_IOT_API
#define DLL_IOT_API IOTKIT_API
#endif
/** @} */

/**
 * Sizes of identities and texts: characters without the NUL (…_LEN, …_STRLEN_MAX), and bytes with
 * it (…_MAXLEN).
 * @{
 */
#define PRODUCT_KEY_LEN (20)
#define DEVICE_NAME_LEN (32)
#define DEVICE_ID_LEN (64)
#define DEVICE_SECRET_LEN (64)
#define PRODUCT_SECRET_LEN (64)
#define PRODUCT_KEY_MAXLEN (PRODUCT_KEY_LEN + 1)
#define DEVICE_NAME_MAXLEN (DEVICE_NAME_LEN + 1)
#define DEVICE_ID_MAXLEN (DEVICE_ID_LEN + 1)
#define DEVICE_SECRET_MAXLEN (DEVICE_SECRET_LEN + 1)
#define PRODUCT_SECRET_MAXLEN (PRODUCT_SECRET_LEN + 1)
#define FIRMWARE_VERSION_MAXLEN (64 + 1)
#define PID_STRLEN_MAX (64)
#define MID_STRLEN_MAX (64)
#define NIF_STRLEN_MAX (160)
/** @} */

/** The time-out of HAL_SemaphoreWait that never passes. */
#define PLATFORM_WAIT_INFINITE (~0u)

/* ---- memory ---- */

/**
 * As malloc, realloc, calloc and free of libc, and of one heap with them: NULL when memory is out.
 * What the SDK gives "for HAL_Free" goes back by it.
 * @{
 */
DLL_HAL_API void *HAL_Malloc(_IN_ uint32_t size);
DLL_HAL_API void *HAL_Realloc(_IN_ void *ptr, _IN_ uint32_t size);
DLL_HAL_API void *HAL_Calloc(_IN_ uint32_t nmemb, _IN_ uint32_t size);
DLL_HAL_API void HAL_Free(_IN_ void *ptr);
/** @} */

/* ---- text ---- */

/** As printf to stdout, which is flushed then. */
DLL_HAL_API void HAL_Printf(_IN_ const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/**
 * As snprintf and vsnprintf: the length of the whole text is returned, of which `len - 1` bytes and
 * a NUL are written. A `len` of 0 or less writes nothing.
 * @{
 */
DLL_HAL_API int HAL_Snprintf(_IN_ char *str, const int len, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
DLL_HAL_API int HAL_Vsnprintf(_IN_ char *str, _IN_ const int len, _IN_ const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
/** @} */

/* ---- time and chance ---- */

/** Blocks the calling thread for `ms` milliseconds at least. */
DLL_HAL_API void HAL_SleepMs(_IN_ uint32_t ms);
/** Monotonic milliseconds; the same clock as iotkit_now_ms(). */
DLL_HAL_API uint64_t HAL_UptimeMs(void);
/** No effect: the numbers come from the system's generator, which needs no seed. */
DLL_HAL_API void HAL_Srandom(_IN_ uint32_t seed);
/** Uniform in [0, region), unpredictable; 0 for a region of 0. */
DLL_HAL_API uint32_t HAL_Random(_IN_ uint32_t region);

/* ---- threads ---- */

/**
 * A mutex; not recursive. NULL from Create: out of memory; NULL given to the others: no effect. To
 * be destroyed when no thread holds it or waits for it.
 * @{
 */
DLL_HAL_API void *HAL_MutexCreate(void);
DLL_HAL_API void HAL_MutexDestroy(_IN_ void *mutex);
DLL_HAL_API void HAL_MutexLock(_IN_ void *mutex);
DLL_HAL_API void HAL_MutexUnlock(_IN_ void *mutex);
/** @} */

/**
 * A semaphore that counts from 0: each Post lets one Wait return. NULL from Create: out of memory;
 * NULL given to the others: no effect. To be destroyed when no thread waits for it.
 * @{
 */
DLL_HAL_API void *HAL_SemaphoreCreate(void);
DLL_HAL_API void HAL_SemaphoreDestroy(_IN_ void *sem);
DLL_HAL_API void HAL_SemaphorePost(_IN_ void *sem);
/** @} */
/**
 * 0, or -1: `timeout_ms` has passed without a Post, or NULL. PLATFORM_WAIT_INFINITE waits for ever.
 */
DLL_HAL_API int HAL_SemaphoreWait(_IN_ void *sem, _IN_ uint32_t timeout_ms);

/** Priorities as the published SDK names them; none is applied (hal_os_thread_param_t). */
typedef enum {
  os_thread_priority_idle = -3,
  os_thread_priority_low = -2,
  os_thread_priority_belowNormal = -1,
  os_thread_priority_normal = 0,
  os_thread_priority_aboveNormal = 1,
  os_thread_priority_high = 2,
  os_thread_priority_realtime = 3,
  os_thread_priority_error = 0x84
} hal_os_thread_priority_t;

/** What HAL_ThreadCreate may be told of a thread; only read during the call. */
typedef struct _hal_os_thread {
  hal_os_thread_priority_t
      priority;      /**< taken, not applied: it needs rights that a device program seldom has */
  void *stack_addr;  /**< likewise: the system allots the stack */
  size_t stack_size; /**< bytes; 0: the system's default */
  int detach_state;  /**< not 0: as HAL_ThreadDetach at once; the handle is NULL then */
  char *name;        /**< at most 15 characters count; NULL: "iotkit-hal" */
} hal_os_thread_param_t; /**< all 0: the defaults */

/**
 * Runs `work_routine(arg)` on a new thread; what it returns is dropped. 0, or -1: an argument is
 * NULL, or there is no memory or thread. `params` may be NULL, and `stack_used`, which becomes 0.
 * The handle is given back with HAL_ThreadDetach or HAL_ThreadDelete.
 */
DLL_HAL_API int HAL_ThreadCreate(_OU_ void **thread_handle, _IN_ void *(*work_routine)(void *),
                                 _IN_ void *arg, _IN_ hal_os_thread_param_t *params,
                                 _OU_ int *stack_used);
/** Gives the handle back; the thread runs on. NULL: no effect. */
DLL_HAL_API void HAL_ThreadDetach(_IN_ void *thread_handle);
/**
 * Waits for the routine to return; ask it to before. It is never killed, for it may hold a lock.
 * From the thread itself, or with NULL, it returns at once, and the thread ends when its routine
 * returns.
 */
DLL_HAL_API void HAL_ThreadDelete(_IN_ void *thread_handle);

/* ---- identity ---- */

/**
 * The identity of the process, kept in memory; any thread. Set copies and returns the length, or -1
 * (NULL or too long; the old one stays). Get returns the length, 0 when none was set, -1 for NULL.
 * @{
 */
DLL_HAL_API int HAL_SetProductKey(_IN_ char *product_key);
DLL_HAL_API int HAL_SetDeviceName(_IN_ char *device_name);
DLL_HAL_API int HAL_SetDeviceSecret(_IN_ char *device_secret);
DLL_HAL_API int HAL_SetProductSecret(_IN_ char *product_secret);
DLL_HAL_API int HAL_GetProductKey(_OU_ char product_key[PRODUCT_KEY_MAXLEN]);
DLL_HAL_API int HAL_GetDeviceName(_OU_ char device_name[DEVICE_NAME_MAXLEN]);
DLL_HAL_API int HAL_GetDeviceSecret(_OU_ char device_secret[DEVICE_SECRET_MAXLEN]);
DLL_HAL_API int HAL_GetProductSecret(_OU_ char product_secret[PRODUCT_SECRET_MAXLEN]);
/** @} */

/* ---- what only the program knows ---- */

/**
 * Write the text and return its length. As long as the program defines no others, they say "" and
 * return 0. Partner and module go into the client id of IOT_SetupConnInfo; nothing asks for the
 * version. Room: FIRMWARE_VERSION_MAXLEN, PID_STRLEN_MAX + 1, MID_STRLEN_MAX + 1 bytes.
 * @{
 */
DLL_HAL_API int HAL_GetFirmwareVersion(_OU_ char *version);
DLL_HAL_API int HAL_GetPartnerID(_OU_ char *pid_str);
DLL_HAL_API int HAL_GetModuleID(_OU_ char *mid_str);
/** @} */

/**
 * Writing the image into a system partition. As long as the program defines no others, Start does
 * nothing, Write and Stop return -1: an image that is kept nowhere must not look like one that was
 * written. Return 0 for success. The SDK calls none of them: the loop that fetches does.
 * @{
 */
DLL_HAL_API void HAL_Firmware_Persistence_Start(void);
DLL_HAL_API int HAL_Firmware_Persistence_Write(_IN_ char *buffer, _IN_ uint32_t length);
DLL_HAL_API int HAL_Firmware_Persistence_Stop(void);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
