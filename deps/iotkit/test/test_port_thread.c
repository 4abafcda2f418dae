/* Clock, random bytes, threads, mutexes, conditions, wake descriptors, log. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

static void clocks_run(void **state) {
  (void)state;
  uint64_t before = ik_port_now_ms();
  assert_true(before > 0);
  ik_port_sleep_ms(3);
  assert_true(ik_port_now_ms() >= before + 2); /* both ends are rounded down */
  assert_true(ik_port_time_ms() > 1600000000000u);
}

static void random_bytes_differ(void **state) {
  (void)state;
  uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};
  ik_port_random(a, sizeof a);
  ik_port_random(b, sizeof b);
  assert_memory_not_equal(a, b, sizeof a);
  assert_memory_not_equal(a, zero, sizeof a);
  uint32_t any = 0;
  for (int i = 0; i < 8; i++)
    any |= ik_port_random_u32();
  assert_true(any != 0);
}

struct seen {
  uintptr_t self;
  char name[16];
  bool pipe_blocked;
  bool fault_blocked;
};

static void look(void *arg) {
  struct seen *seen = arg;
  sigset_t set;
  seen->self = ik_thread_self();
  pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  seen->pipe_blocked = sigismember(&set, SIGPIPE) == 1 && sigismember(&set, SIGINT) == 1;
  seen->fault_blocked = sigismember(&set, SIGSEGV) == 1;
}

static void threads_have_name_and_no_signals(void **state) {
  (void)state;
  struct seen seen = {0};
  sigset_t before, after;
  iotkit_thread_t *thread;
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  assert_int_equal(
      iotkit_thread_start(&thread, "a name that is much too long", 100000, look, &seen), 0);
  iotkit_thread_join(thread);
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  assert_true(seen.self != 0);
  assert_true(seen.self != ik_thread_self());
  assert_string_equal(seen.name, "a name that is ");
  assert_true(seen.pipe_blocked);
  assert_false(seen.fault_blocked);
  assert_int_equal(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
}

static void impossible_stacks_are_an_error(void **state) {
  (void)state;
  struct seen seen = {0};
  iotkit_thread_t *thread = (iotkit_thread_t *)&seen;
  assert_int_equal(iotkit_thread_start(&thread, "big", (size_t)1 << 60, look, &seen), IK_ETHREAD);
  assert_null(thread);
  assert_int_equal(iotkit_thread_start(NULL, "x", 0, look, &seen), IK_EINVALID_ARGUMENT);
  iotkit_thread_join(NULL);
}

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

static void signal_it(void *arg) {
  ik_wake_signal(arg);
}

static int readable(const struct ik_wake *wake, uint32_t timeout_ms) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, timeout_ms);
}

static void wakes_cross_threads(void **state) {
  (void)state;
  struct ik_wake *wake;
  assert_int_equal(ik_wake_new(&wake), 0);
  assert_int_equal(readable(wake, 0), 0);
  assert_int_equal(ik_thread_detached("signal", 65536, signal_it, wake), 0);
  assert_int_equal(readable(wake, TEST_LIMIT_MS), 1);
  ik_wake_signal(wake);
  ik_wake_signal(wake);
  ik_wake_clear(wake);
  assert_int_equal(readable(wake, 0), 0);
  ik_wake_clear(wake); /* nothing to clear: does not block */
  ik_wake_free(wake);
  ik_wake_free(NULL);
}

struct line {
  int count;
  int level;
  char text[600];
};

static void keep_line(void *ctx, int level, const char *text) {
  struct line *line = ctx;
  line->count++;
  line->level = level;
  memcpy(line->text, text, strnlen(text, sizeof line->text - 1) + 1);
}

static void log_goes_to_the_sink(void **state) {
  (void)state;
  struct line line = {0};
  iotkit_log_set(IOTKIT_LOG_WARNING, keep_line, &line);
  ik_log(IOTKIT_LOG_INFO, "not %s", "shown");
  assert_int_equal(line.count, 0);
  ik_log(IOTKIT_LOG_WARNING, "two\nlines and an \033[31mescape %d", 7);
  assert_int_equal(line.level, IOTKIT_LOG_WARNING);
  assert_string_equal(line.text, "two lines and an  [31mescape 7");
  ik_log(IOTKIT_LOG_ERROR, "%01000d", 1);
  assert_int_equal(strlen(line.text), 511);
  iotkit_log_set(IOTKIT_LOG_NONE, keep_line, &line);
  ik_log(IOTKIT_LOG_CRITICAL, "off");
  assert_int_equal(line.count, 2);
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clocks_run),
      cmocka_unit_test(random_bytes_differ),
      cmocka_unit_test(threads_have_name_and_no_signals),
      cmocka_unit_test(impossible_stacks_are_an_error),
      cmocka_unit_test(conditions_hand_over),
      cmocka_unit_test(conditions_end_at_the_deadline),
      cmocka_unit_test(wakes_cross_threads),
      cmocka_unit_test(log_goes_to_the_sink),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
