/*
 * memory.c - what the SDK takes at run time, for size.mjs: allocated bytes per client, handle and
 * download, and how deep the stack goes under the calls that a thread makes. One JSON object on
 * stdout.
 *
 *   memory MQTT-PORT HTTP-PORT HTTPS-PORT CA-FILE IMAGE-SIZE MD5 FOLDER
 *
 * Bytes are those of malloc (mallinfo2, all arenas), so they hold what the C library and OpenSSL
 * allocate for us. A stack is memory of our own that is painted before the thread runs.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iot_export.h"
#include "iotkit.h"

#define COUNT 16 /* of each kind, of which the mean is taken */
#define STACK_SIZE ((size_t)512 * 1024)
#define PAINT 0xA5
#define BLOCK ((size_t)64 * 1024)

static uint16_t mqtt_port;
static char **arguments;
static iotkit_tls_t *trust;
static bool first = true;

static void fail(const char *what) {
  fprintf(stderr, "measure: %s\n", what);
  exit(1);
}

static void *check(void *made, const char *what) {
  if (made == NULL) fail(what);
  return made;
}

static size_t allocated(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static void say(const char *name, size_t value) {
  printf("%s\n  \"%s\": %zu", first ? "{" : ",", name, value);
  first = false;
}

/* ---- what a thread does ---- */

static void on_event(void *context, void *client, iotx_mqtt_event_msg_pt msg) {
  (void)context;
  (void)client;
  (void)msg;
}

static void *connect_client(const char *id) {
  iotx_mqtt_param_t param = {
      .host = "127.0.0.1", .port = mqtt_port, .client_id = id, .username = "u", .password = "p"};
  param.handle_event.h_fp = on_event;
  return check(IOT_MQTT_Construct(&param), "no MQTT connection");
}

static void *run_mqtt(void *ignored) {
  (void)ignored;
  void *client = connect_client("stack");
  void *ota = check(IOT_OTA_Init("pk", "dn", client), "no OTA");
  while (!IOT_OTA_IsFetching(ota))
    IOT_MQTT_Yield(client, 100);
  IOT_OTA_ReportVersion(ota, "1.0.0");
  IOT_OTA_Deinit(ota);
  IOT_MQTT_Destroy(&client);
  return NULL;
}

static iotkit_job_t *job_of(const char *scheme, const char *port) {
  char notice[512];
  iotkit_job_t *job;
  const struct iotkit_fetch_options options = {.tls = trust};
  snprintf(notice, sizeof(notice),
           "{\"code\":\"1000\",\"message\":\"success\",\"data\":{\"size\":%s,\"version\":\"2\","
           "\"url\":\"%s://localhost:%s/f\",\"md5\":\"%s\"}}",
           arguments[5], scheme, port, arguments[6]);
  if (iotkit_job_parse(notice, strlen(notice), &options, &job, NULL) != 0) fail("no job");
  return job;
}

static char block[BLOCK];

static void fetch(iotkit_job_t *job, iotkit_file_t *file) {
  uint64_t offset;
  while (iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    int64_t n = iotkit_job_fetch(job, block, sizeof(block), 10000, &offset);
    if (n < 0) fail(iotkit_strerror((int)n));
    if (file != NULL && iotkit_file_write(file, offset, block, (size_t)n, NULL) != 0) {
      fail("not written");
    }
  }
  if (iotkit_job_check(job) != 0) fail("another image");
}

static void *run_http(void *ignored) {
  (void)ignored;
  iotkit_job_t *job = job_of("http", arguments[2]);
  fetch(job, NULL);
  iotkit_job_unref(job);
  return NULL;
}

static void *run_https(void *ignored) {
  (void)ignored;
  iotkit_job_t *job = job_of("https", arguments[3]);
  fetch(job, NULL);
  iotkit_job_unref(job);
  return NULL;
}

static void *run_file(void *ignored) {
  (void)ignored;
  char path[512];
  iotkit_file_t *file;
  iotkit_job_t *job = job_of("http", arguments[2]);
  const struct iotkit_file_options options = {.size = iotkit_job_upgrade(job)->size};
  snprintf(path, sizeof(path), "%s/image", arguments[7]);
  if (iotkit_file_open(path, &options, &file, NULL) != 0) fail("no file");
  fetch(job, file);
  if (iotkit_file_commit(file, options.size, NULL) != 0) fail("not committed");
  iotkit_job_unref(job);
  return NULL;
}

/* ---- stacks ---- */

static size_t depth_of(void *(*run)(void *)) {
  uint8_t *stack = check(aligned_alloc(4096, STACK_SIZE), "no stack");
  pthread_attr_t attr;
  pthread_t thread;
  size_t untouched = 0;
  memset(stack, PAINT, STACK_SIZE);
  pthread_attr_init(&attr);
  if (pthread_attr_setstack(&attr, stack, STACK_SIZE) != 0 ||
      pthread_create(&thread, &attr, run, NULL) != 0) {
    fail("no thread");
  }
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attr);
  while (untouched < STACK_SIZE && stack[untouched] == PAINT)
    untouched++;
  free(stack);
  return STACK_SIZE - untouched;
}

static void *run_nothing(void *ignored) {
  return ignored;
}

/* The first run binds functions and, with TLS, finds OpenSSL; later ones may go another way. */
static size_t deepest_of(void *(*run)(void *)) {
  size_t depth = depth_of(run);
  size_t again = depth_of(run);
  return depth > again ? depth : again;
}

static void measure_stacks(void) {
  say("stack_nothing", deepest_of(run_nothing));
  say("stack_mqtt", deepest_of(run_mqtt));
  say("stack_http", deepest_of(run_http));
  say("stack_https", deepest_of(run_https));
  say("stack_file", deepest_of(run_file));
}

/* ---- memory ---- */

static void measure_clients(void) {
  void *clients[COUNT];
  void *handles[COUNT];
  char name[32];
  size_t before = allocated();
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof(name), "client-%d", i);
    clients[i] = connect_client(name);
  }
  size_t connected = allocated();
  say("client", (connected - before) / COUNT);
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof(name), "device-%d", i);
    handles[i] = check(IOT_OTA_Init("pk", name, clients[0]), "no OTA");
  }
  say("handle", (allocated() - connected) / COUNT);
  for (int i = 0; i < COUNT; i++) {
    while (!IOT_OTA_IsFetching(handles[i]))
      IOT_MQTT_Yield(clients[0], 100);
  }
  say("handle_announced", (allocated() - connected) / COUNT);
  for (int i = 0; i < COUNT; i++)
    IOT_OTA_Deinit(handles[i]);
  for (int i = 0; i < COUNT; i++)
    IOT_MQTT_Destroy(&clients[i]);
}

/* ---- a gateway ---- */

static unsigned logged_in;

static void on_gateway_event(void *context, iotkit_gateway_t *gateway,
                             const struct iotkit_gateway_event *event) {
  (void)context;
  (void)gateway;
  if (event->type != IOTKIT_GATEWAY_LOGGED_IN) fail("not logged in");
  logged_in++;
}

static void yield_until_all_are_in(iotkit_mqtt_t *client) {
  while (logged_in < IOTKIT_SUBDEVICES_MAX)
    iotkit_mqtt_yield(client, 1000);
  for (int i = 0; i < 100; i++) /* what was subscribed is answered */
    iotkit_mqtt_yield(client, 20);
}

static void measure_gateway(void) {
  static iotkit_ota_t *otas[IOTKIT_SUBDEVICES_MAX];
  iotkit_mqtt_t *client;
  iotkit_gateway_t *gateway;
  char name[32];
  const struct iotkit_mqtt_options client_options = {
      .host = "127.0.0.1", .port = mqtt_port, .client_id = "gateway"};
  const struct iotkit_gateway_options options = {
      .product_key = "a1Gateway00", .device_name = "gateway", .on_event = on_gateway_event};
  if (iotkit_mqtt_new(&client_options, &client, NULL) != 0) fail("no client");
  if (iotkit_gateway_new(client, &options, &gateway, NULL) != 0) fail("no gateway");
  if (iotkit_mqtt_start(client) != 0) fail("not started");
  while (iotkit_mqtt_get_state(client) != IOTKIT_MQTT_CONNECTED)
    iotkit_mqtt_yield(client, 100);
  const size_t before = allocated();
  for (int i = 0; i < IOTKIT_SUBDEVICES_MAX; i++) {
    snprintf(name, sizeof(name), "subdevice-%04d", i);
    const struct iotkit_subdevice device = {.product_key = "a1Subdevice",
                                            .device_name = name,
                                            .device_secret = "0123456789abcdef0123456789abcdef"};
    if (iotkit_gateway_login(gateway, &device, 1, NULL) != 0) fail("no login");
  }
  yield_until_all_are_in(client);
  say("subdevice", (allocated() - before) / IOTKIT_SUBDEVICES_MAX);
  for (int i = 0; i < IOTKIT_SUBDEVICES_MAX; i++) {
    snprintf(name, sizeof(name), "subdevice-%04d", i);
    const struct iotkit_ota_options channel = {.product_key = "a1Subdevice", .device_name = name};
    if (iotkit_gateway_ota_new(gateway, &channel, &otas[i], NULL) != 0) fail("no channel");
    if (iotkit_ota_report_version(otas[i], "1.0.0", NULL) != 0) fail("no report");
  }
  for (int i = 0; i < 100; i++)
    iotkit_mqtt_yield(client, 50);
  say("subdevice_ota", (allocated() - before) / IOTKIT_SUBDEVICES_MAX);
  for (int i = 0; i < IOTKIT_SUBDEVICES_MAX; i++)
    iotkit_ota_free(otas[i]);
  iotkit_gateway_free(gateway);
  iotkit_mqtt_free(client);
}

static void measure_downloads(const char *name, const char *scheme, const char *port) {
  iotkit_job_t *jobs[COUNT];
  char key[64];
  size_t before = allocated();
  for (int i = 0; i < COUNT; i++)
    jobs[i] = job_of(scheme, port);
  snprintf(key, sizeof(key), "%s_announced", name);
  say(key, (allocated() - before) / COUNT);
  for (int i = 0; i < COUNT; i++) {
    if (iotkit_job_fetch(jobs[i], block, 1000, 10000, NULL) != 1000) fail("nothing fetched");
  }
  snprintf(key, sizeof(key), "%s_fetching", name);
  say(key, (allocated() - before) / COUNT);
  for (int i = 0; i < COUNT; i++)
    iotkit_job_unref(jobs[i]);
}

int main(int argc, char **argv) {
  static char ca[65536];
  if (argc != 8) fail("wrong arguments");
  arguments = argv;
  mqtt_port = (uint16_t)strtoul(argv[1], NULL, 10);
  FILE *file = check(fopen(argv[4], "rb"), "no CA");
  const struct iotkit_tls_options options = {.ca = ca, .ca_len = fread(ca, 1, sizeof(ca), file)};
  fclose(file);
  if (iotkit_tls_new(&options, &trust, NULL) != 0) fail("no TLS");
  measure_stacks();
  measure_clients();
  measure_gateway();
  measure_downloads("http", "http", argv[2]);
  measure_downloads("https", "https", argv[3]);
  puts("\n}");
  iotkit_tls_unref(trust);
  return 0;
}
