/*
 * calls_ota.c - OTA. What FetchYield returns is also appended to the file that `save` named for the
 * handle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "iot_export.h"

static FILE *file;
static void *saved; /* the handle that it belongs to */

/* @name product-key device-name client */
static void init(struct arg *args, struct answer *answer) {
  void *handle = IOT_OTA_Init(args[1].text, args[2].text, handle_of(&args[3]));
  set_handle(args[0].text, handle);
  answer->is_handle = true;
  answer->made = handle != NULL;
}

static void deinit(struct arg *args, struct answer *answer) {
  void *handle = handle_of(&args[0]);
  answer->ret = IOT_OTA_Deinit(handle);
  if (answer->ret == 0) set_handle(args[0].text, NULL);
}

static void report_version(struct arg *args, struct answer *answer) {
  answer->ret = IOT_OTA_ReportVersion(handle_of(&args[0]), args[1].text);
}

static void report_progress(struct arg *args, struct answer *answer) {
  answer->ret =
      IOT_OTA_ReportProgress(handle_of(&args[0]), (IOT_OTA_Progress_t)args[1].number, args[2].text);
}

static void is_fetching(struct arg *args, struct answer *answer) {
  answer->ret = IOT_OTA_IsFetching(handle_of(&args[0]));
}

static void is_fetch_finish(struct arg *args, struct answer *answer) {
  answer->ret = IOT_OTA_IsFetchFinish(handle_of(&args[0]));
}

static void get_last_error(struct arg *args, struct answer *answer) {
  answer->ret = IOT_OTA_GetLastError(handle_of(&args[0]));
}

/* handle buffer timeout */
static void fetch_yield(struct arg *args, struct answer *answer) {
  void *handle = handle_of(&args[0]);
  answer->ret = IOT_OTA_FetchYield(handle, (char *)args[1].buf, (uint32_t)args[1].len,
                                   (uint32_t)args[2].number);
  answer->content = answer->ret > 0 ? answer->ret : -1;
  if (answer->ret <= 0 || file == NULL || handle != saved) return;
  if (fwrite(args[1].buf, 1, (size_t)answer->ret, file) != (size_t)answer->ret) abort();
  fflush(file);
}

/* handle type buffer-or-pointer */
static void ioctl(struct arg *args, struct answer *answer) {
  void *buf = args[2].is_pointer ? (void *)&args[2].pointer : args[2].buf;
  size_t len = args[2].is_null ? sizeof(uint32_t) : args[2].len;
  answer->ret = IOT_OTA_Ioctl(handle_of(&args[0]), (IOT_OTA_CmdType_t)args[1].number, buf, len);
}

static int on_pushed(void *context) {
  add_event("\"on\":\"%s\",\"type\":\"pushed\"", name_of(context));
  return 0;
}

/* handle with-function */
static void set_on_pushed(struct arg *args, struct answer *answer) {
  answer->ret =
      IOT_OTA_SetOnPushedCallback(handle_of(&args[0]), args[1].number != 0 ? on_pushed : NULL);
}

static void req_image(struct arg *args, struct answer *answer) {
  answer->ret = iotx_req_image(handle_of(&args[0]), args[1].text);
}

/* handle scope type keys */
static void get_config(struct arg *args, struct answer *answer) {
  answer->ret = iotx_ota_get_config(handle_of(&args[0]), args[1].text, args[2].text, args[3].text);
}

/* handle path */
static void save(struct arg *args, struct answer *answer) {
  if (file != NULL) fclose(file);
  file = fopen(args[1].text, "wb");
  saved = handle_of(&args[0]);
  answer->ret = file != NULL ? 0 : -1;
}

const struct function ota_functions[] = {
    {"IOT_OTA_Init", 4, init},
    {"IOT_OTA_Deinit", 1, deinit},
    {"IOT_OTA_ReportVersion", 2, report_version},
    {"IOT_OTA_ReportProgress", 3, report_progress},
    {"IOT_OTA_IsFetching", 1, is_fetching},
    {"IOT_OTA_IsFetchFinish", 1, is_fetch_finish},
    {"IOT_OTA_GetLastError", 1, get_last_error},
    {"IOT_OTA_FetchYield", 3, fetch_yield},
    {"IOT_OTA_Ioctl", 3, ioctl},
    {"IOT_OTA_SetOnPushedCallback", 2, set_on_pushed},
    {"iotx_req_image", 2, req_image},
    {"iotx_ota_get_config", 4, get_config},
    {"save", 2, save},
    {NULL, 0, NULL},
};
