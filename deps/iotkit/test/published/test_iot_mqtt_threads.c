/*
 * The published API used by several threads side by side, as iot_export*.h and iot_import.h allow it:
 * one client and one OTA handle that all of them share, and such as a thread makes for itself. At
 * last the client is destroyed while the others still call with its handle.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "iot_export.h"
#include "iot_import.h"
#include "iotkit_iot.h"
#include "support/cm.h"
#include "support/ota_world.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 120

struct shared {
  struct world *world;
  struct mini_broker *other; /* for clients of the threads' own, one at a time */
  pthread_mutex_t turn;
  void *handle;      /* world->mqtt, as each thread keeps it */
  atomic_uint heard; /* callbacks */
  void *mutex;
  void *semaphore;
  unsigned counted; /* with `mutex` */
};

static struct shared *shared_of(const struct caller *caller) {
  return caller->world;
}

static void hear(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  atomic_uint *heard = ctx;
  (void)client;
  (void)msg;
  atomic_fetch_add(heard, 1);
}

static int on_pushed(void *handle) {
  (void)IOT_OTA_IsFetching(handle);
  return 0;
}

/* ---- MQTT ---- */

static void publish(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  char x[] = "x";
  iotx_mqtt_topic_info_t message = {
      .qos = (uint8_t)rng_below(&caller->rng, 2), .payload = x, .payload_len = 1};
  (void)IOT_MQTT_Publish(shared->handle, "/t", &message);
  (void)IOT_MQTT_Publish_Simple(NULL, "/t", 0, x, 1);
}

static void subscribe(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  char filter[16];
  snprintf(filter, sizeof(filter), "/s/%zu", rng_below(&caller->rng, 3));
  (void)IOT_MQTT_Subscribe(shared->handle, filter, IOTX_MQTT_QOS1, hear, &shared->heard);
  (void)mini_broker_publish(shared->world->broker, filter, "y", 0, false);
}

static void subscribe_and_wait(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  (void)IOT_MQTT_Subscribe_Sync(shared->handle, "/s/1", IOTX_MQTT_QOS0, hear, &shared->heard, 5);
}

static void unsubscribe(struct caller *caller) {
  char filter[16];
  snprintf(filter, sizeof(filter), "/s/%zu", rng_below(&caller->rng, 3));
  (void)IOT_MQTT_Unsubscribe(shared_of(caller)->handle, filter);
}

static void yield(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  (void)IOT_MQTT_Yield(rng_below(&caller->rng, 4) ? shared->handle : NULL,
                       (int)rng_below(&caller->rng, 3));
  (void)IOT_MQTT_CheckStateNormal(shared->handle);
}

static void act_for_another(struct caller *caller) {
  iotkit_iot_act_for(shared_of(caller));
  yield(caller);
  iotkit_iot_act_for(NULL);
}

static void break_the_connection(struct caller *caller) {
  if (rng_below(&caller->rng, 10) == 0) mini_broker_drop(shared_of(caller)->world->broker);
}

static void made(void *ctx, iotkit_mqtt_t *client) {
  (void)ctx;
  (void)iotkit_mqtt_get_state(client);
}

static void construct(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  iotx_mqtt_param_t param = {.host = "127.0.0.1",
                             .port = mini_broker_port(shared->other),
                             .client_id = "own",
                             .clean_session = 1,
                             .request_timeout_ms = 5000}; /* the most there is */
  if (rng_below(&caller->rng, 8) != 0) return;
  pthread_mutex_lock(&shared->turn);
  void *handle = rng_below(&caller->rng, 2) ? IOT_MQTT_Construct(&param)
                                            : iotkit_mqtt_construct(&param, made, NULL);
  assert_non_null(handle);
  void *ota = IOT_OTA_Init("pk", "own", handle);
  assert_non_null(ota);
  assert_int_equal(IOT_OTA_ReportVersion(ota, "1"), 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
  pthread_mutex_unlock(&shared->turn);
}

/* ---- OTA ---- */

static void report(struct caller *caller) {
  void *ota = shared_of(caller)->world->ota;
  (void)IOT_OTA_ReportVersion(ota, "1.0.0");
  (void)IOT_OTA_ReportProgress(ota, (IOT_OTA_Progress_t)7, "seven");
  (void)iotx_req_image(ota, "1.0.0");
  (void)iotx_ota_get_config(ota, "product", "file", "");
}

static void ask(struct caller *caller) {
  static const IOT_OTA_CmdType_t numbers[] = {IOT_OTAG_FETCHED_SIZE, IOT_OTAG_FILE_SIZE,
                                              IOT_OTAG_OTA_TYPE, IOT_OTAG_CHECK_FIRMWARE,
                                              IOT_OTAG_CHECK_CONFIG};
  void *ota = shared_of(caller)->world->ota;
  uint32_t number;
  char text[OTA_VERSION_LEN_MAX];
  (void)IOT_OTA_Ioctl(ota, numbers[rng_below(&caller->rng, COUNT(numbers))], &number, 4);
  (void)IOT_OTA_Ioctl(ota, IOT_OTAG_VERSION, text, sizeof(text));
  (void)IOT_OTA_Ioctl(ota, IOT_OTAG_MD5SUM, text, sizeof(text));
  (void)IOT_OTA_IsFetching(ota);
  (void)IOT_OTA_IsFetchFinish(ota);
  (void)IOT_OTA_GetLastError(ota);
  (void)IOT_OTA_SetOnPushedCallback(ota, rng_below(&caller->rng, 2) ? on_pushed : NULL);
}

static void begin_again(struct caller *caller) {
  void *ota = shared_of(caller)->world->ota;
  uint32_t number = 0;
  (void)IOT_OTA_Ioctl(ota, IOT_OTAG_RESET_FETCHED_SIZE, &number, 4);
  if (rng_below(&caller->rng, 4) == 0) (void)IOT_OTA_Ioctl(ota, IOT_OTAG_RESET_STATE, &number, 4);
}

static void announce(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  char json[512];
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":%llu,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2\",\"url\":\"http://127.0.0.1:%u/f\",\"md5\":\"%s\"}}",
           (unsigned long long)rng_u64(&caller->rng) >> 33, SIZE,
           http_server_port(shared->world->server), shared->world->md5);
  (void)mini_broker_publish(shared->world->broker, UPGRADE_TOPIC, json, 1, false);
}

/* One thread at a time fetches on a handle: a second one hears so. */
static void fetch(struct caller *caller) {
  char buf[4096];
  (void)IOT_OTA_FetchYield(shared_of(caller)->world->ota, buf, sizeof(buf), 0);
}

static void open_another(struct caller *caller) {
  void *ota = IOT_OTA_Init("pk", "dn", shared_of(caller)->handle);
  assert_non_null(ota);
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
}

/* ---- settings, identity ---- */

static void set_up(struct caller *caller) {
  char name[16];
  void *info;
  int region;
  snprintf(name, sizeof(name), "device%u", caller->number);
  assert_int_equal(IOT_Ioctl(IOTX_IOCTL_GET_REGION, &region), 0);
  assert_int_equal(IOT_Ioctl(IOTX_IOCTL_SET_REGION, &region), 0);
  assert_int_equal(IOT_SetupConnInfo("pk", name, "secret", &info), 0);
  assert_int_equal(((iotx_conn_info_t *)info)->init, 1);
  IOT_DumpMemoryStats(IOT_LOG_DEBUG);
}

static void identify(struct caller *caller) {
  char key[] = "pk", name[] = "dn", secret[] = "ds", product_secret[] = "ps";
  char text[DEVICE_SECRET_MAXLEN];
  (void)caller;
  assert_int_equal(HAL_SetProductKey(key), 2);
  assert_int_equal(HAL_SetDeviceName(name), 2);
  assert_int_equal(HAL_SetDeviceSecret(secret), 2);
  assert_int_equal(HAL_SetProductSecret(product_secret), 2);
  assert_int_equal(HAL_GetProductKey(text), 2);
  assert_int_equal(HAL_GetDeviceName(text), 2);
  assert_int_equal(HAL_GetDeviceSecret(text), 2);
  assert_int_equal(HAL_GetProductSecret(text), 2);
  assert_int_equal(HAL_GetFirmwareVersion(text), 0);
  assert_int_equal(HAL_GetPartnerID(text), 0);
  assert_int_equal(HAL_GetModuleID(text), 0);
}

static void print_to(char *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  assert_int_equal(HAL_Vsnprintf(text, 8, format, args), 1);
  va_end(args);
}

static void use_memory(struct caller *caller) {
  char text[8];
  (void)caller;
  void *block = HAL_Malloc(10);
  block = HAL_Realloc(block, 20);
  HAL_Free(block);
  HAL_Free(HAL_Calloc(2, 10));
  assert_int_equal(HAL_Snprintf(text, sizeof(text), "%d", 1), 1);
  print_to(text, "%d", 2);
  HAL_Printf("%s", "");
  HAL_SleepMs(0);
  assert_true(HAL_UptimeMs() > 0);
  HAL_Srandom(1);
  assert_true(HAL_Random(3) < 3);
  HAL_Firmware_Persistence_Start();
  assert_int_equal(HAL_Firmware_Persistence_Write(text, 1), -1);
  assert_int_equal(HAL_Firmware_Persistence_Stop(), -1);
}

static void *post(void *semaphore) {
  HAL_SemaphorePost(semaphore);
  return NULL;
}

static void use_threads(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  void *thread;
  void *semaphore = HAL_SemaphoreCreate();
  HAL_MutexLock(shared->mutex);
  shared->counted++;
  HAL_MutexUnlock(shared->mutex);
  HAL_MutexDestroy(HAL_MutexCreate());
  assert_int_equal(HAL_ThreadCreate(&thread, post, shared->semaphore, NULL, NULL), 0);
  HAL_ThreadDetach(thread);
  assert_int_equal(HAL_SemaphoreWait(shared->semaphore, PLATFORM_WAIT_INFINITE), 0);
  assert_int_equal(HAL_ThreadCreate(&thread, post, semaphore, NULL, NULL), 0);
  HAL_ThreadDelete(thread);
  assert_int_equal(HAL_SemaphoreWait(semaphore, 0), 0);
  HAL_SemaphoreDestroy(semaphore);
}

/* ---- all of it ---- */

static void begin(struct shared *shared, struct world *world) {
  *shared = (struct shared){.world = world, .handle = world->mqtt};
  shared->other = mini_broker_start();
  shared->mutex = HAL_MutexCreate();
  shared->semaphore = HAL_SemaphoreCreate();
  pthread_mutex_init(&shared->turn, NULL);
}

static void end(struct shared *shared) {
  pthread_mutex_destroy(&shared->turn);
  HAL_SemaphoreDestroy(shared->semaphore);
  HAL_MutexDestroy(shared->mutex);
  mini_broker_stop(shared->other);
}

static void every_call_beside_every_other(void **state) {
  static const threads_call table[] = {
      publish,
      subscribe,
      subscribe_and_wait,
      unsubscribe,
      yield,
      act_for_another,
      construct,
      report,
      ask,
      begin_again,
      announce,
      fetch,
      fetch,
      set_up,
      identify,
      use_memory,
      use_threads,
      open_another,
      yield,
      break_the_connection,
  };
  struct shared shared;
  begin(&shared, *state);
  threads_run(__func__, &shared, table, COUNT(table), CALLERS, CALLS, NULL);
  end(&shared);
}

/* ---- the end of a client that others use ---- */

static void destroy(struct caller *caller) {
  struct shared *shared = shared_of(caller);
  void *handle = shared->handle;
  if (caller->own != NULL || rng_below(&caller->rng, 10) != 0) return;
  caller->own = shared;
  const int rc = IOT_MQTT_Destroy(&handle);
  assert_true(rc == 0 || rc == NULL_VALUE_ERROR); /* one of them destroys it */
  if (rc == 0) atomic_fetch_add(&shared->heard, 1u << 16);
}

static void destroy_at_last(struct caller *caller) {
  while (caller->own == NULL)
    destroy(caller);
}

static void a_client_ends_while_others_call(void **state) {
  static const threads_call table[] = {publish, subscribe,          unsubscribe, yield,
                                       yield,   subscribe_and_wait, destroy};
  for (unsigned i = 0; i < 8; i++) {
    struct shared shared;
    if (i > 0) assert_int_equal(world_setup(state), 0);
    struct world *world = *state;
    begin(&shared, world);
    assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
    world->ota = NULL;
    threads_run(__func__, &shared, table, COUNT(table), CALLERS, 20, destroy_at_last);
    assert_int_equal(atomic_load(&shared.heard) >> 16, 1);
    assert_int_equal(IOT_MQTT_Yield(shared.handle, 0), NULL_VALUE_ERROR); /* known to be gone */
    world->mqtt = NULL;
    end(&shared);
    if (i < 7) world_teardown(state);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_call_beside_every_other),
      TEST(a_client_ends_while_others_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
