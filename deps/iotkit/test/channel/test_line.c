/*
 * A device's line: its topics and ids, and how closing takes the carrier away from its users.
 */
#include "channel/line.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "channel/client_carrier.h"
#include "support/cm.h"
#include "support/offline_client.h"

static iotkit_mqtt_t *client;
static struct ik_client_carrier by_client;
static struct ik_carrier *const carrier = &by_client.face;
static struct ik_line line;

static int setup(void **state) {
  (void)state;
  client = offline_client_new();
  ik_client_carrier_init(&by_client, client);
  return ik_line_init(&line, carrier, "pk", "dn");
}

static int teardown(void **state) {
  (void)state;
  ik_line_deinit(&line);
  return iotkit_mqtt_free(client);
}

static struct ik_carrier *begin_close(void) {
  ik_mutex_lock(line.mutex);
  struct ik_carrier *taken = ik_line_begin_close(&line);
  ik_mutex_unlock(line.mutex);
  return taken;
}

/* ---- topics and ids ---- */

static void names_the_topics_of_its_device(void **state) {
  (void)state;
  for (size_t i = 0; i < IK_OTA_TOPICS; i++) {
    char topic[IK_OTA_TOPIC_MAX];
    char another[IK_OTA_TOPIC_MAX];
    assert_ptr_equal(ik_line_topic(&line, (enum ik_ota_topic)i, topic), topic);
    assert_non_null(strstr(topic, "pk/dn"));
    for (size_t other = 0; other < i; other++)
      assert_string_not_equal(topic, ik_line_topic(&line, (enum ik_ota_topic)other, another));
  }
}

static void refuses_names_that_are_no_topic(void **state) {
  struct ik_line other;
  char name[IK_OTA_TOPIC_MAX];
  (void)state;
  memset(name, 'a', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  assert_int_equal(ik_line_init(&other, carrier, "a/b", "dn"), IK_EINVALID_ARGUMENT);
  ik_line_deinit(&other);
  assert_int_equal(ik_line_init(&other, carrier, "pk", ""), IK_EINVALID_ARGUMENT);
  ik_line_deinit(&other);
  assert_int_equal(ik_line_init(&other, carrier, "pk", name), IK_ETOO_LONG);
  ik_line_deinit(&other);
}

static void gives_each_message_an_id_of_its_own(void **state) {
  (void)state;
  uint32_t first = ik_line_next_id(&line);
  assert_int_equal(ik_line_next_id(&line), first + 1);
  atomic_store(&line.next_id, UINT32_MAX);
  assert_int_equal(ik_line_next_id(&line), UINT32_MAX);
  assert_int_equal(ik_line_next_id(&line), 0);
}

static void publishes_over_its_carrier(void **state) {
  struct ik_line_use use;
  struct ik_buf payload;
  (void)state;
  ik_buf_init(&payload, 16);
  assert_int_equal(ik_buf_append(&payload, "{}", 2), 0);
  const struct ik_carrier *own = ik_line_begin_use(&line, &use, NULL);
  assert_ptr_equal(own, carrier);
  assert_int_equal(ik_line_publish(&line, carrier, IK_OTA_GET, &payload, 0), IK_ENOT_CONNECTED);
  ik_line_end_use(&line, &use);
  ik_buf_free(&payload);
}

/* ---- uses ---- */

static void uses_end_in_any_order(void **state) {
  struct ik_line_use uses[3];
  (void)state;
  for (size_t i = 0; i < COUNT(uses); i++)
    assert_ptr_equal(ik_line_begin_use(&line, &uses[i], NULL), carrier);
  ik_line_end_use(&line, &uses[1]);
  ik_line_end_use(&line, &uses[0]);
  assert_ptr_equal(line.uses, &uses[2]);
  ik_line_end_use(&line, &uses[2]);
  assert_null(line.uses);
}

static void lets_no_use_begin_once_it_closes(void **state) {
  struct ik_line_use use;
  (void)state;
  assert_ptr_equal(begin_close(), carrier);
  assert_null(ik_line_begin_use(&line, &use, NULL));
  assert_null(line.uses);
  ik_line_end_close(&line);
  assert_null(ik_line_begin_use(&line, &use, NULL));
}

/* Closing inside a callback of the client that this thread steps. */
static void does_not_wait_for_a_use_of_its_own(void **state) {
  struct ik_line_use use;
  (void)state;
  assert_ptr_equal(ik_line_begin_use(&line, &use, NULL), carrier);
  assert_ptr_equal(begin_close(), carrier);
  ik_line_end_use(&line, &use);
  ik_line_end_close(&line);
}

struct user {
  struct ik_wake *wake;
  struct ik_wake *begun;
  atomic_bool ended;
};

/* Uses the carrier until it is woken. */
static void *use_until_woken(void *arg) {
  struct user *user = arg;
  struct ik_line_use use;
  struct ik_pollfd fd = {.fd = ik_wake_fd(user->wake), .interest = IOTKIT_READ};
  if (ik_line_begin_use(&line, &use, user->wake) == NULL) return NULL;
  ik_wake_signal(user->begun);
  ik_port_poll(&fd, 1, UINT32_MAX);
  atomic_store(&user->ended, true);
  ik_line_end_use(&line, &use);
  return NULL;
}

static void wakes_and_awaits_the_uses_of_others(void **state) {
  struct user user = {0};
  pthread_t thread;
  (void)state;
  assert_int_equal(ik_wake_new(&user.wake), 0);
  assert_int_equal(ik_wake_new(&user.begun), 0);
  struct ik_pollfd fd = {.fd = ik_wake_fd(user.begun), .interest = IOTKIT_READ};
  assert_int_equal(pthread_create(&thread, NULL, use_until_woken, &user), 0);
  assert_true(ik_port_poll(&fd, 1, UINT32_MAX) > 0);
  assert_ptr_equal(begin_close(), carrier);
  assert_true(atomic_load(&user.ended));
  assert_null(line.uses);
  ik_line_end_close(&line);
  pthread_join(thread, NULL);
  ik_wake_free(user.begun);
  ik_wake_free(user.wake);
}

static void *await_closed(void *arg) {
  atomic_bool *closed = arg;
  ik_mutex_lock(line.mutex);
  ik_line_await_closed(&line);
  atomic_store(closed, line.closed);
  ik_mutex_unlock(line.mutex);
  return NULL;
}

static void others_await_the_end_of_the_closing(void **state) {
  pthread_t thread;
  atomic_bool closed = false;
  (void)state;
  begin_close();
  assert_int_equal(pthread_create(&thread, NULL, await_closed, &closed), 0);
  ik_line_end_close(&line);
  pthread_join(thread, NULL);
  assert_true(atomic_load(&closed));
  await_closed(&closed); /* it is closed already */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(names_the_topics_of_its_device),
      TEST(refuses_names_that_are_no_topic),
      TEST(gives_each_message_an_id_of_its_own),
      TEST(publishes_over_its_carrier),
      TEST(uses_end_in_any_order),
      TEST(lets_no_use_begin_once_it_closes),
      TEST(does_not_wait_for_a_use_of_its_own),
      TEST(wakes_and_awaits_the_uses_of_others),
      TEST(others_await_the_end_of_the_closing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
