/*
 * IOT_MQTT_Destroy while another thread is inside the client for longer than the network may take:
 * it waits for that thread, then ends the client as ever.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "iot_export.h"
#include "support/cm.h"
#include "support/iot_notes.h"
#include "support/mini_broker.h"

#define JUMP_S 60

static atomic_int jumped_s;

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out);

/* The system's clocks, which a test lets jump instead of waiting. */
int clock_gettime(clockid_t clock, struct timespec *out) {
  const long rc = syscall(SYS_clock_gettime, clock, out);
  if (rc == 0) out->tv_sec += atomic_load(&jumped_s);
  return (int)rc;
}

struct scene {
  struct mini_broker *broker;
  void *handle;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool inside; /* the callback */
  bool leave;
  atomic_bool over;
};

static void stay(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct scene *scene = ctx;
  (void)client;
  (void)msg;
  pthread_mutex_lock(&scene->mutex);
  scene->inside = true;
  pthread_cond_broadcast(&scene->cond);
  while (!scene->leave)
    pthread_cond_wait(&scene->cond, &scene->mutex);
  pthread_mutex_unlock(&scene->mutex);
}

/* Until it has left the callback; what is left to be done is Destroy's. */
static void *yield_until_over(void *arg) {
  struct scene *scene = arg;
  while (!atomic_load(&scene->over))
    (void)IOT_MQTT_Yield(scene->handle, 10);
  return NULL;
}

static void *destroy(void *arg) {
  struct scene *scene = arg;
  void *handle = scene->handle;
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  assert_null(handle);
  return NULL;
}

static void await_callback(struct scene *scene) {
  assert_true(mini_broker_publish(scene->broker, "/stay", "x", 0, false));
  pthread_mutex_lock(&scene->mutex);
  while (!scene->inside)
    pthread_cond_wait(&scene->cond, &scene->mutex);
  pthread_mutex_unlock(&scene->mutex);
}

/* From the moment on at which Destroy has begun, the client takes nothing more. */
static void await_destroy(struct scene *scene) {
  char x[] = "x";
  while (IOT_MQTT_Publish_Simple(scene->handle, "/last", 1, x, 1) > 0)
    continue;
}

static void leave(struct scene *scene) {
  atomic_store(&scene->over, true);
  pthread_mutex_lock(&scene->mutex);
  scene->leave = true;
  pthread_cond_broadcast(&scene->cond);
  pthread_mutex_unlock(&scene->mutex);
}

static void it_waits_for_the_thread_inside_and_loses_nothing(void **state) {
  (void)state;
  struct scene scene = {.broker = mini_broker_start(),
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
  struct iot_notes notes = {0};
  pthread_t yielder, destroyer;
  char payload[8];
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(scene.broker), &notes);
  scene.handle = IOT_MQTT_Construct(&param);
  assert_non_null(scene.handle);
  assert_true(IOT_MQTT_Subscribe_Sync(scene.handle, "/stay", IOTX_MQTT_QOS0, stay, &scene, 20000) >
              0);
  assert_int_equal(pthread_create(&yielder, NULL, yield_until_over, &scene), 0);
  await_callback(&scene);
  char y[] = "y";
  assert_true(IOT_MQTT_Publish_Simple(scene.handle, "/kept", 1, y, 1) > 0);
  assert_int_equal(pthread_create(&destroyer, NULL, destroy, &scene), 0);
  await_destroy(&scene);
  atomic_store(&jumped_s, JUMP_S);
  leave(&scene);
  pthread_join(destroyer, NULL);
  pthread_join(yielder, NULL);
  assert_true(mini_broker_wait(scene.broker, "/kept", 0, payload, sizeof(payload), NULL));
  assert_true(mini_broker_wait_disconnects(scene.broker, 1));
  mini_broker_stop(scene.broker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_waits_for_the_thread_inside_and_loses_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
