/*
 * Downloads of many threads over one pool: each connection has one owner at a time, and none is left.
 */
#include <string.h>

#include "download/http_pool.h"
#include "iotkit_core.h"
#include "support/cm.h"
#include "support/fake_web.h"

#define THREADS 4
#define ROUNDS 200

struct user {
  struct ik_http_pool *pool;
  const struct ik_http_place *place;
  struct fake_web web;
  unsigned taken;
  iotkit_thread_t *thread;
};

static struct ik_transport *dial(struct fake_web *web) {
  const struct ik_dial how = {.host = "h.example", .port = 80};
  struct ik_transport *transport = NULL;
  (void)fake_web_dial(web, &how, 0, &transport, NULL);
  return transport;
}

/* Only the thread that dials changes its web but for what is open, which is atomic. */
static void use(void *arg) {
  struct user *user = arg;
  for (uint64_t now_ms = 0; now_ms < ROUNDS; now_ms++) {
    ik_http_pool_join(user->pool);
    struct ik_transport *transport = ik_http_pool_take(user->pool, user->place, now_ms);
    if (transport != NULL) user->taken++;
    if (transport == NULL) transport = dial(&user->web);
    if (transport != NULL) ik_http_pool_put(user->pool, user->place, transport, now_ms);
    ik_http_pool_expire(user->pool, now_ms);
    ik_http_pool_leave(user->pool);
  }
}

static void threads_share_a_pool(void **state) {
  (void)state;
  static struct user users[THREADS];
  struct ik_http_pool pool;
  const struct ik_http_place place = {.port = 80, .host = "h.example"};
  struct ik_mutex *lock = ik_mutex_new();
  assert_non_null(lock);
  ik_http_pool_init(&pool, lock);
  for (size_t i = 0; i < THREADS; i++) {
    users[i] = (struct user){.pool = &pool, .place = &place, .web = {.rng = {1}}};
    assert_int_equal(iotkit_thread_start(&users[i].thread, "user", 0, use, &users[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++)
    iotkit_thread_join(users[i].thread);
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(users[i].web.open, 0);
    assert_int_equal(users[i].web.connections + users[i].taken, ROUNDS);
  }
  ik_http_pool_deinit(&pool);
  ik_mutex_free(lock);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_a_pool)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
