/* Mutexes and conditions. */
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

struct meeting {
  struct ik_mutex *mutex;
  struct ik_cond *cond;
  int turn;
};

static void answer_turns(void *arg) {
  struct meeting *meeting = arg;
  ik_mutex_lock(meeting->mutex);
  for (int i = 0; i < 100; i++) {
    while (meeting->turn != 1)
      ik_cond_wait(meeting->cond, meeting->mutex, UINT64_MAX);
    meeting->turn = 0;
    ik_cond_broadcast(meeting->cond);
  }
  ik_mutex_unlock(meeting->mutex);
}

static void conditions_hand_over(void **state) {
  (void)state;
  struct meeting meeting = {.mutex = ik_mutex_new(), .cond = ik_cond_new()};
  iotkit_thread_t *thread;
  assert_int_equal(iotkit_thread_start(&thread, "turns", 0, answer_turns, &meeting), 0);
  uint64_t limit = ik_port_now_ms() + TEST_LIMIT_MS;
  ik_mutex_lock(meeting.mutex);
  for (int i = 0; i < 100; i++) {
    meeting.turn = 1;
    ik_cond_broadcast(meeting.cond);
    while (meeting.turn != 0 && ik_port_now_ms() < limit)
      ik_cond_wait(meeting.cond, meeting.mutex, limit);
  }
  ik_mutex_unlock(meeting.mutex);
  iotkit_thread_join(thread);
  assert_int_equal(meeting.turn, 0);
  ik_cond_free(meeting.cond);
  ik_mutex_free(meeting.mutex);
}

static void conditions_end_at_the_deadline(void **state) {
  (void)state;
  struct ik_mutex *mutex = ik_mutex_new();
  struct ik_cond *cond = ik_cond_new();
  uint64_t deadline = ik_port_now_ms() + 5;
  ik_mutex_lock(mutex);
  while (ik_port_now_ms() < deadline)
    ik_cond_wait(cond, mutex, deadline);
  ik_cond_wait(cond, mutex, 1); /* long past */
  ik_mutex_unlock(mutex);
  ik_cond_free(cond);
  ik_mutex_free(mutex);
  ik_cond_free(NULL);
  ik_mutex_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conditions_hand_over),
      cmocka_unit_test(conditions_end_at_the_deadline),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
