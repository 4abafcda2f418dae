/*
 * ota.c - one firmware update with the published functions, as their documentation has it;
 * ts/ota-sdk.ts is the same in TypeScript, line by line.
 *
 *   connect → Init → ReportVersion → Yield until an upgrade is announced
 *   → FetchYield, write, ReportProgress until the end → check → Deinit
 *   → (the restart) → Init → ReportVersion with the new version
 */
#define _POSIX_C_SOURCE 200809L /* setenv */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iot_export.h"
#include "iot_import.h"

#define FETCH_BYTES 5000
#define FETCH_TIMEOUT_S 1
#define YIELD_MS 100
#define NOTICE_WAIT_MS 60000
#define ACK_WAIT_MS 5000
#define CA_MAX (1024 * 1024)

enum { EXIT_UPDATED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_UPGRADE = 3 };

struct arguments {
  const char *host;
  int port;
  const char *ca_file; /* "-": plain TCP */
  const char *product_key;
  const char *device_name;
  const char *device_secret;
  const char *version; /* that runs now */
  const char *output;
};

struct device {
  const struct arguments *args;
  void *mqtt;
  void *ota;
  unsigned acknowledged; /* QoS 1 messages */
  char target[OTA_VERSION_LEN_MAX];
};

static int usage(void) {
  fputs("usage: ota HOST PORT CA_FILE PRODUCT_KEY DEVICE_NAME DEVICE_SECRET VERSION OUTPUT\n"
        "  Reports VERSION, waits for an upgrade, fetches its image into OUTPUT, checks it, and "
        "reports the new version.\n"
        "  CA_FILE: certificates (PEM) to trust; \"-\" connects without TLS.\n"
        "exit codes: 0 updated, 1 failed, 2 wrong usage, 3 no upgrade was announced within 60 s\n",
        stderr);
  return EXIT_USAGE;
}

static int failed(const char *what, int code) {
  fprintf(stderr, "ota: %s failed: %d\n", what, code);
  return EXIT_FAILED;
}

/* The file's text, for the caller to free; NULL: it cannot be read. */
static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, CA_MAX + 1);
  if (file != NULL && text != NULL && fread(text, 1, CA_MAX, file) > 0) {
    fclose(file);
    return text;
  }
  if (file != NULL) fclose(file);
  free(text);
  return NULL;
}

static void on_event(void *context, void *client, iotx_mqtt_event_msg_pt event) {
  struct device *device = context;
  (void)client;
  if (event->event_type == IOTX_MQTT_EVENT_PUBLISH_SUCCESS) device->acknowledged++;
}

/* Signs in: 0, or the program's exit code. */
static int connect_device(struct device *device) {
  const struct arguments *args = device->args;
  int tls = strcmp(args->ca_file, "-") != 0;
  char *ca = tls ? read_text(args->ca_file) : NULL;
  void *made = NULL;
  if (tls && ca == NULL) return failed("reading CA_FILE", -1);
  /*
   * The firmware's server is checked against the system's CA store; OpenSSL lets this name another.
   */
  if (tls) setenv("SSL_CERT_FILE", args->ca_file, 1);
  IOT_Ioctl(IOTX_IOCTL_SET_MQTT_TLS, &tls);
  int rc = IOT_SetupConnInfo(args->product_key, args->device_name, args->device_secret, &made);
  if (rc != SUCCESS_RETURN) {
    free(ca);
    return failed("IOT_SetupConnInfo", rc);
  }
  const iotx_conn_info_t *info = made;
  iotx_mqtt_param_t param = {
      .port = (uint16_t)args->port,
      .host = args->host,
      .client_id = info->client_id,
      .username = info->username,
      .password = info->password,
      .pub_key = ca,
      .clean_session = 1,
      .request_timeout_ms = 5000,
      .keepalive_interval_ms = 60000,
      .handle_event = {on_event, device},
  };
  device->mqtt = IOT_MQTT_Construct(&param);
  free(ca);
  return device->mqtt != NULL ? 0 : failed("IOT_MQTT_Construct", -1);
}

/* Opens OTA and reports a version; waits until it is acknowledged. */
static int report(struct device *device, const char *version) {
  const unsigned before = device->acknowledged;
  device->ota = IOT_OTA_Init(device->args->product_key, device->args->device_name, device->mqtt);
  if (device->ota == NULL) return failed("IOT_OTA_Init", -1);
  int rc = IOT_OTA_ReportVersion(device->ota, version);
  if (rc != 0) return failed("IOT_OTA_ReportVersion", rc);
  const uint64_t end_ms = HAL_UptimeMs() + ACK_WAIT_MS;
  while (device->acknowledged == before && HAL_UptimeMs() < end_ms)
    IOT_MQTT_Yield(device->mqtt, YIELD_MS);
  if (device->acknowledged == before) return failed("the acknowledgement of the version", -1);
  printf("version %s reported\n", version);
  return 0;
}

static int await_upgrade(struct device *device) {
  const uint64_t end_ms = HAL_UptimeMs() + NOTICE_WAIT_MS;
  while (!IOT_OTA_IsFetching(device->ota)) {
    if (HAL_UptimeMs() >= end_ms) return EXIT_NO_UPGRADE;
    IOT_MQTT_Yield(device->mqtt, YIELD_MS);
  }
  return 0;
}

static void describe(struct device *device) {
  uint32_t size = 0;
  char md5[33] = "";
  IOT_OTA_Ioctl(device->ota, IOT_OTAG_VERSION, device->target, sizeof(device->target));
  IOT_OTA_Ioctl(device->ota, IOT_OTAG_FILE_SIZE, &size, sizeof(size));
  IOT_OTA_Ioctl(device->ota, IOT_OTAG_MD5SUM, md5, sizeof(md5));
  printf("upgrade to %s, %u bytes, MD5 %s\n", device->target, (unsigned)size,
         md5[0] != '\0' ? md5 : "not announced");
}

/*
 * Fetches the image into `output`. FetchYield returns less than 0 when the download has failed for
 * good, and 0 when no byte came in time, as while it reconnects: that is no failure, so the loop
 * ends with IsFetchFinish and not with the first 0.
 */
static int fetch(struct device *device, FILE *output) {
  static char buffer[FETCH_BYTES];
  uint32_t fetched = 0, size = 0;
  int told = -1;
  do {
    int got = IOT_OTA_FetchYield(device->ota, buffer, sizeof(buffer), FETCH_TIMEOUT_S);
    if (got < 0) { /* not <= */
      IOT_OTA_ReportProgress(device->ota, IOT_OTAP_FETCH_FAILED, "the download failed");
      return failed("IOT_OTA_FetchYield", IOT_OTA_GetLastError(device->ota));
    }
    if (fwrite(buffer, 1, (size_t)got, output) != (size_t)got) {
      IOT_OTA_ReportProgress(device->ota, IOT_OTAP_BURN_FAILED, "the image could not be written");
      return failed("writing OUTPUT", -1);
    }
    IOT_OTA_Ioctl(device->ota, IOT_OTAG_FETCHED_SIZE, &fetched, sizeof(fetched));
    IOT_OTA_Ioctl(device->ota, IOT_OTAG_FILE_SIZE, &size, sizeof(size));
    int percent = size > 0 ? (int)((uint64_t)fetched * 100 / size) : 0;
    if (percent > told) IOT_OTA_ReportProgress(device->ota, (IOT_OTA_Progress_t)percent, "");
    if (percent > told) told = percent;
    IOT_MQTT_Yield(device->mqtt, YIELD_MS);
  } while (!IOT_OTA_IsFetchFinish(device->ota));
  printf("fetched %u of %u bytes\n", (unsigned)fetched, (unsigned)size);
  return 0;
}

static int check(struct device *device) {
  uint32_t good = 0;
  int rc = IOT_OTA_Ioctl(device->ota, IOT_OTAG_CHECK_FIRMWARE, &good, sizeof(good));
  if (rc == 0 && good == 1) {
    puts("the image is the announced one");
    return 0;
  }
  IOT_OTA_ReportProgress(device->ota, IOT_OTAP_CHECK_FALIED, "the image is not the announced one");
  return failed("IOT_OTAG_CHECK_FIRMWARE", IOT_OTA_GetLastError(device->ota));
}

/* Fetches into OUTPUT and checks it; an image that is not good does not stay there. */
static int install(struct device *device) {
  FILE *output = fopen(device->args->output, "wb");
  if (output == NULL) return failed("opening OUTPUT", -1);
  int rc = fetch(device, output);
  if (fclose(output) != 0 && rc == 0) rc = failed("writing OUTPUT", -1);
  if (rc == 0) rc = check(device);
  if (rc != 0) remove(device->args->output);
  return rc;
}

static int update(struct device *device) {
  int rc = report(device, device->args->version);
  if (rc == 0) rc = await_upgrade(device);
  if (rc != 0) return rc;
  describe(device);
  rc = install(device);
  if (rc != 0) return rc;
  rc = IOT_OTA_Deinit(device->ota);
  device->ota = NULL;
  if (rc != 0) return failed("IOT_OTA_Deinit", rc);
  puts("restart");
  return report(device, device->target);
}

int main(int argc, char **argv) {
  if (argc != 9) return usage();
  struct arguments args = {.host = argv[1],
                           .port = (int)strtol(argv[2], NULL, 10),
                           .ca_file = argv[3],
                           .product_key = argv[4],
                           .device_name = argv[5],
                           .device_secret = argv[6],
                           .version = argv[7],
                           .output = argv[8]};
  struct device device = {.args = &args};
  if (args.port < 1 || args.port > UINT16_MAX) return usage();
  int rc = connect_device(&device);
  if (rc == 0) rc = update(&device);
  if (device.ota != NULL) IOT_OTA_Deinit(device.ota);
  if (device.mqtt != NULL) IOT_MQTT_Destroy(&device.mqtt);
  if (rc == EXIT_NO_UPGRADE) fputs("ota: no upgrade was announced\n", stderr);
  return rc;
}
