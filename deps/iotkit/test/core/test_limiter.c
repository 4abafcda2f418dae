/* Speed limits: exact over any time, changeable, shared in turn, by threads too. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "core/limiter.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/rng.h"

#define BURST (16 * IK_KIB) /* of a limit below 160 KiB/s */

static iotkit_limiter_t *new_limiter(uint64_t rate) {
  iotkit_limiter_t *limiter = NULL;
  assert_int_equal(iotkit_limiter_new(rate, &limiter), 0);
  return limiter;
}

static void init(struct ik_throttle *throttle, iotkit_limiter_t *a, iotkit_limiter_t *b) {
  iotkit_limiter_t *const limiters[] = {a, b};
  ik_throttle_init(throttle, limiters);
}

static void without_limits_all_may_be_read(void **state) {
  (void)state;
  struct ik_throttle throttle = {0};
  uint64_t until = 0;
  assert_int_equal(ik_throttle_take(&throttle, 1 << 30, 1, &until), 1 << 30);
  ik_throttle_give_back(&throttle, 5);
  ik_throttle_deinit(&throttle);
  iotkit_limiter_t *limiter = new_limiter(0);
  init(&throttle, limiter, NULL);
  assert_int_equal(iotkit_limiter_get(limiter), 0);
  for (int i = 0; i < 100; i++)
    assert_int_equal(ik_throttle_take(&throttle, 1 << 30, 1, &until), 1 << 30);
  ik_throttle_deinit(&throttle);
  iotkit_limiter_unref(limiter);
}

static void null_and_references(void **state) {
  (void)state;
  assert_int_equal(iotkit_limiter_new(1, NULL), IK_EINVALID_ARGUMENT);
  assert_null(iotkit_limiter_ref(NULL));
  iotkit_limiter_unref(NULL);
  iotkit_limiter_set(NULL, 1);
  assert_int_equal(iotkit_limiter_get(NULL), 0);
  iotkit_limiter_t *limiter = new_limiter(UINT64_MAX);
  assert_ptr_equal(iotkit_limiter_ref(limiter), limiter);
  iotkit_limiter_unref(limiter);
  assert_true(iotkit_limiter_get(limiter) >= (uint64_t)1 << 40);
  struct ik_throttle throttle;
  init(&throttle, limiter, limiter);
  iotkit_limiter_unref(limiter); /* the throttle holds it */
  uint64_t until;
  assert_int_equal(ik_throttle_take(&throttle, 1 << 20, 1000, &until), 1 << 20);
  assert_int_equal(ik_throttle_take(&throttle, 1 << 20, UINT64_MAX, &until), 1 << 20);
  ik_throttle_deinit(&throttle);
}

/* Takes all it can, as a download does, until `end_ms`; returns how much that was. */
static uint64_t take_until(struct ik_throttle *throttle, size_t want, uint64_t *now_ms,
                           uint64_t end_ms) {
  uint64_t sum = 0;
  while (*now_ms < end_ms) {
    uint64_t until = 0;
    size_t n = ik_throttle_take(throttle, want, *now_ms, &until);
    sum += n;
    if (n > 0) continue;
    assert_true(until > *now_ms && until <= *now_ms + IK_LIMITER_WAIT_MS);
    *now_ms = until;
  }
  return sum;
}

/* Up to hours at rates that do not divide by anything: not a byte too many, not one too few. */
static void nothing_drifts(void **state) {
  (void)state;
  static const uint64_t rates[] = {1, 7, 333, 4096, 99991, 1048573, 1000000007};
  static const size_t wants[] = {1000, 4096, 262144};
  for (size_t i = 0; i < COUNT(rates); i++) {
    for (size_t k = 0; k < COUNT(wants); k++) {
      iotkit_limiter_t *limiter = new_limiter(rates[i]);
      struct ik_throttle throttle;
      uint64_t now = 12345, seconds = 20000000 / rates[i] + 1;
      if (seconds > 10000) seconds = 10000;
      uint64_t burst = rates[i] / 10 > BURST ? rates[i] / 10 : BURST;
      init(&throttle, limiter, NULL);
      uint64_t sum = take_until(&throttle, wants[k], &now, 12345 + seconds * 1000);
      uint64_t grant = rates[i] / 20 > 256 ? rates[i] / 20 : 256;
      assert_true(sum <= burst + seconds * rates[i]);
      assert_true(sum + grant + rates[i] / 100 >= burst + seconds * rates[i]);
      ik_throttle_deinit(&throttle);
      iotkit_limiter_unref(limiter);
    }
  }
}

static void a_pause_is_not_saved_up(void **state) {
  (void)state;
  iotkit_limiter_t *limiter = new_limiter(1000000);
  struct ik_throttle throttle;
  uint64_t now = 1, until;
  init(&throttle, limiter, NULL);
  take_until(&throttle, 65536, &now, 1000);
  now += 3600000;
  uint64_t sum = 0;
  size_t n;
  while ((n = ik_throttle_take(&throttle, 65536, now, &until)) > 0)
    sum += n;
  assert_true(sum <= 100000 && sum > 100000 - 50000);
  ik_throttle_deinit(&throttle);
  iotkit_limiter_unref(limiter);
}

static void what_was_not_read_is_given_back(void **state) {
  (void)state;
  iotkit_limiter_t *limiter = new_limiter(1000);
  struct ik_throttle throttle;
  uint64_t until;
  init(&throttle, limiter, NULL);
  assert_int_equal(ik_throttle_take(&throttle, 262144, 1, &until), BURST);
  ik_throttle_give_back(&throttle, BURST - 100);
  assert_int_equal(ik_throttle_take(&throttle, 262144, 1, &until), BURST - 100);
  assert_int_equal(ik_throttle_take(&throttle, 262144, 1, &until), 0);
  ik_throttle_give_back(&throttle, SIZE_MAX); /* never more than a burst */
  assert_int_equal(ik_throttle_take(&throttle, 262144, 1, &until), BURST);
  ik_throttle_deinit(&throttle);
  iotkit_limiter_unref(limiter);
}

static void changes_hold_at_once(void **state) {
  (void)state;
  iotkit_limiter_t *limiter = new_limiter(1);
  struct ik_throttle throttle;
  uint64_t now = 1, until;
  init(&throttle, limiter, NULL);
  assert_int_equal(take_until(&throttle, 65536, &now, 60000), BURST);
  iotkit_limiter_set(limiter, 1000000);
  assert_int_equal(iotkit_limiter_get(limiter), 1000000);
  uint64_t from = now;
  uint64_t sum = take_until(&throttle, 65536, &now, from + 10000);
  assert_true(sum <= 10100000 && sum >= 9900000);
  iotkit_limiter_set(limiter, 1000);
  from = now;
  sum = take_until(&throttle, 65536, &now, from + 10000);
  assert_true(sum <= BURST + 10000 + 256 && sum >= 9500);
  iotkit_limiter_set(limiter, 0);
  assert_int_equal(ik_throttle_take(&throttle, 1 << 28, now, &until), 1 << 28);
  iotkit_limiter_set(limiter, 1000);
  from = now;
  sum = take_until(&throttle, 65536, &now, from + 10000);
  assert_true(sum <= BURST + 10000 + 256);
  ik_throttle_deinit(&throttle);
  iotkit_limiter_unref(limiter);
}

/* ---- several ---- */

#define SHARERS 7

struct sharer {
  struct ik_throttle throttle;
  size_t want;
  uint64_t until_ms;
  uint64_t sum;
};

/*
 * A clock on which everybody comes when asked to, `late` ms later than that; with the same time the
 * one with the smallest number is always first, which is the worst that can happen to the last.
 */
static void share(struct sharer *sharers, size_t count, uint64_t seconds, uint64_t late) {
  uint64_t end = 1 + seconds * 1000;
  for (size_t i = 0; i < count; i++)
    sharers[i].until_ms = 1;
  for (;;) {
    struct sharer *next = &sharers[0];
    for (size_t i = 1; i < count; i++)
      if (sharers[i].until_ms < next->until_ms) next = &sharers[i];
    uint64_t now = next->until_ms;
    if (now >= end) return;
    size_t n = ik_throttle_take(&next->throttle, next->want, now, &next->until_ms);
    next->sum += n;
    if (n == 0) next->until_ms += late;
  }
}

static void sharers_get_the_same(void **state) {
  (void)state;
  static const uint64_t rates[] = {5000, 200000, 20000000};
  for (size_t r = 0; r < COUNT(rates); r++) {
    for (uint64_t late = 0; late <= 8; late += 4) {
      static struct sharer sharers[SHARERS];
      iotkit_limiter_t *limiter = new_limiter(rates[r]);
      uint64_t sum = 0, seconds = 120;
      memset(sharers, 0, sizeof sharers);
      for (size_t i = 0; i < SHARERS; i++) {
        init(&sharers[i].throttle, limiter, NULL);
        sharers[i].want = i % 2 == 0 ? 262144 : 65536;
      }
      share(sharers, SHARERS, seconds, late);
      uint64_t burst = rates[r] / 10 > BURST ? rates[r] / 10 : BURST;
      uint64_t fair = seconds * rates[r] / SHARERS;
      for (size_t i = 0; i < SHARERS; i++) {
        sum += sharers[i].sum;
        if (sharers[i].sum + burst < fair * 9 / 10 || sharers[i].sum > fair * 11 / 10 + burst) {
          fail_msg("rate %llu, late %llu: %zu got %llu of %llu", (unsigned long long)rates[r],
                   (unsigned long long)late, i, (unsigned long long)sharers[i].sum,
                   (unsigned long long)fair);
        }
        ik_throttle_deinit(&sharers[i].throttle);
      }
      assert_true(sum <= burst + seconds * rates[r]);
      assert_true(sum >= seconds * rates[r] * 97 / 100);
      iotkit_limiter_unref(limiter);
    }
  }
}

/* Small readers want less than their share; what they leave is the others'. */
static void what_one_does_not_want_the_others_get(void **state) {
  (void)state;
  static struct sharer sharers[2];
  iotkit_limiter_t *limiter = new_limiter(100000);
  memset(sharers, 0, sizeof sharers);
  for (size_t i = 0; i < 2; i++)
    init(&sharers[i].throttle, limiter, NULL);
  sharers[0].want = 100;
  sharers[1].want = 65536;
  share(sharers, 2, 60, 0);
  assert_true(sharers[0].sum + sharers[1].sum >= 60 * 100000 * 97 / 100);
  assert_true(sharers[0].sum > 10000);
  for (size_t i = 0; i < 2; i++)
    ik_throttle_deinit(&sharers[i].throttle);
  iotkit_limiter_unref(limiter);
}

static void who_does_not_come_loses_the_turn(void **state) {
  (void)state;
  iotkit_limiter_t *limiter = new_limiter(100000);
  struct ik_throttle gone, here;
  uint64_t now = 1000, until;
  init(&gone, limiter, NULL);
  init(&here, limiter, NULL);
  while (ik_throttle_take(&gone, 65536, now, &until) > 0) {}
  uint64_t sum = take_until(&here, 65536, &now, 61000);
  assert_true(sum > 60 * 100000 * 97 / 100);
  /* and is served again when it comes back */
  static struct sharer sharers[2];
  ik_throttle_deinit(&here);
  sharers[0] = (struct sharer){.want = 65536};
  sharers[1] = (struct sharer){.want = 65536};
  init(&sharers[0].throttle, limiter, NULL);
  init(&sharers[1].throttle, limiter, NULL);
  ik_throttle_take(&gone, 65536, now, &until);
  ik_throttle_deinit(&gone); /* leaves the line as it goes */
  ik_throttle_deinit(&sharers[0].throttle);
  assert_true(take_until(&sharers[1].throttle, 65536, &now, now + 1000) > 80000);
  ik_throttle_deinit(&sharers[1].throttle);
  iotkit_limiter_unref(limiter);
}

/* Three devices with limits of their own and one for the process: the narrower one holds. */
static void both_limits_hold(void **state) {
  (void)state;
  static const uint64_t device[] = {1000000, 50000, 1000000};
  static struct sharer sharers[3];
  iotkit_limiter_t *process = new_limiter(450000), *own[3];
  memset(sharers, 0, sizeof sharers);
  for (size_t i = 0; i < 3; i++) {
    own[i] = new_limiter(device[i]);
    init(&sharers[i].throttle, own[i], process);
    sharers[i].want = 65536;
  }
  share(sharers, 3, 100, 1);
  assert_true(sharers[1].sum >= 5000000 * 9 / 10 && sharers[1].sum <= 5000000 + 32768);
  for (size_t i = 0; i < 3; i += 2)
    assert_true(sharers[i].sum >= 18000000 && sharers[i].sum <= 22000000);
  assert_true(sharers[0].sum + sharers[1].sum + sharers[2].sum <= 45000000 + 45000);
  for (size_t i = 0; i < 3; i++) {
    ik_throttle_deinit(&sharers[i].throttle);
    iotkit_limiter_unref(own[i]);
  }
  iotkit_limiter_unref(process);
}

/* A device's grant that waits for the process's goes back when the download has to wait anyway. */
static void what_is_held_goes_back(void **state) {
  (void)state;
  iotkit_limiter_t *wide = new_limiter(100000), *narrow = new_limiter(100);
  struct ik_throttle throttle, other;
  uint64_t until;
  init(&throttle, wide, narrow);
  init(&other, wide, NULL);
  assert_int_equal(ik_throttle_take(&throttle, 65536, 1, &until), BURST);
  assert_int_equal(ik_throttle_take(&throttle, 65536, 101, &until), 0);
  assert_true(throttle.ways[0].held > 0);
  assert_int_equal(ik_throttle_take(&other, 65536, 101, &until), 0);
  ik_throttle_give_back(&throttle, 0);
  assert_int_equal(throttle.ways[0].held, 0);
  assert_int_equal(ik_throttle_take(&other, 65536, 101, &until), 10000);
  ik_throttle_deinit(&throttle);
  ik_throttle_deinit(&other);
  iotkit_limiter_unref(wide);
  iotkit_limiter_unref(narrow);
}

/* ---- threads ---- */

#define THREAD_SECONDS 20

/* Time goes on when somebody has to wait, for all of them. */
static atomic_uint_least64_t clock_ms;

static void wait_until(uint64_t until_ms) {
  uint_least64_t now = atomic_load(&clock_ms);
  while (now < until_ms && !atomic_compare_exchange_weak(&clock_ms, &now, until_ms)) {}
}

struct worker {
  iotkit_limiter_t *limiter;
  uint64_t sum;
  iotkit_thread_t *thread;
};

static void work(void *arg) {
  struct worker *worker = arg;
  struct ik_throttle throttle;
  uint64_t now;
  init(&throttle, worker->limiter, NULL);
  while ((now = atomic_load(&clock_ms)) < 1 + THREAD_SECONDS * 1000) {
    uint64_t until = 0;
    size_t n = ik_throttle_take(&throttle, 65536, now, &until);
    worker->sum += n;
    if (n == 0) wait_until(until);
  }
  ik_throttle_deinit(&throttle);
}

static void threads_share(void **state) {
  (void)state;
  struct worker workers[4];
  iotkit_limiter_t *limiter = new_limiter(2000000);
  uint64_t sum = 0;
  atomic_store(&clock_ms, 1);
  for (size_t i = 0; i < COUNT(workers); i++) {
    workers[i] = (struct worker){.limiter = limiter};
    assert_int_equal(iotkit_thread_start(&workers[i].thread, "taker", 0, work, &workers[i]), 0);
  }
  for (int i = 0; i < 200; i++)
    iotkit_limiter_set(limiter, i % 2 == 0 ? 1999999 : 2000000);
  for (size_t i = 0; i < COUNT(workers); i++) {
    iotkit_thread_join(workers[i].thread);
    sum += workers[i].sum;
  }
  assert_true(sum <= 200000 + THREAD_SECONDS * UINT64_C(2000000));
  /* Who is late loses a turn, nobody loses the bytes that are left for the others. */
  assert_true(sum >= THREAD_SECONDS * UINT64_C(2000000) / 4);
  iotkit_limiter_unref(limiter);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_limits_all_may_be_read),
      cmocka_unit_test(null_and_references),
      cmocka_unit_test(nothing_drifts),
      cmocka_unit_test(a_pause_is_not_saved_up),
      cmocka_unit_test(what_was_not_read_is_given_back),
      cmocka_unit_test(changes_hold_at_once),
      cmocka_unit_test(sharers_get_the_same),
      cmocka_unit_test(what_one_does_not_want_the_others_get),
      cmocka_unit_test(who_does_not_come_loses_the_turn),
      cmocka_unit_test(both_limits_hold),
      cmocka_unit_test(what_is_held_goes_back),
      cmocka_unit_test(threads_share),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
