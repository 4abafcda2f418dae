/*
 * Connections that wait for another request: who gets which, how many there are, and when they go.
 */
#include "download/http_pool.h"

#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/fake_web.h"

static struct fake_web web;
static struct ik_mutex *lock;
static struct ik_http_pool pool;

static int setup(void **state) {
  (void)state;
  web = (struct fake_web){.answer = fake_web_serve, .rng = {1}};
  lock = ik_mutex_new();
  assert_non_null(lock);
  ik_http_pool_init(&pool, lock);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  assert_int_equal(web.open, 0);
  ik_http_pool_deinit(&pool);
  ik_mutex_free(lock);
  return 0;
}

static struct ik_transport *dial(void) {
  const struct ik_dial how = {.host = "h.example", .port = 80};
  struct ik_transport *transport;
  assert_int_equal(fake_web_dial(&web, &how, 0, &transport, NULL), 0);
  return transport;
}

static struct ik_http_place place_of(const char *text) {
  struct ik_http_place place;
  struct ik_url url;
  assert_int_equal(ik_url_parse(ik_str(text), &url, NULL), 0);
  ik_http_place_of(&url, &place);
  ik_url_free(&url);
  return place;
}

static void close_it(struct ik_transport *transport) {
  transport->ops->close(transport);
}

static void without_a_user_nothing_is_kept(void **state) {
  const struct ik_http_place place = place_of("http://h.example/");
  (void)state;
  ik_http_pool_put(&pool, &place, dial(), 0);
  assert_int_equal(web.open, 0);
  assert_null(ik_http_pool_take(&pool, &place, 0));
}

static void the_last_user_closes_all(void **state) {
  const struct ik_http_place place = place_of("http://h.example/");
  (void)state;
  ik_http_pool_join(&pool);
  ik_http_pool_join(&pool);
  for (int i = 0; i < 3; i++)
    ik_http_pool_put(&pool, &place, dial(), 0);
  ik_http_pool_leave(&pool);
  assert_int_equal(web.open, 3);
  ik_http_pool_leave(&pool);
  assert_int_equal(web.open, 0);
}

static void each_place_has_its_own(void **state) {
  static const char *const urls[] = {"http://h.example/", "https://h.example:80/",
                                     "http://h.example:81/", "http://h.example./",
                                     "http://i.example/"};
  (void)state;
  ik_http_pool_join(&pool);
  for (size_t i = 0; i < COUNT(urls); i++) {
    const struct ik_http_place place = place_of(urls[i]);
    assert_null(ik_http_pool_take(&pool, &place, 0));
    ik_http_pool_put(&pool, &place, dial(), 0);
  }
  const struct ik_http_place again = place_of("http://H.example/another?path");
  close_it(ik_http_pool_take(&pool, &again, 0));
  assert_null(ik_http_pool_take(&pool, &again, 0));
  ik_http_pool_leave(&pool);
}

static void the_one_put_last_is_taken_first(void **state) {
  const struct ik_http_place place = place_of("http://h.example/");
  struct ik_transport *transports[2] = {dial(), dial()};
  (void)state;
  ik_http_pool_join(&pool);
  for (size_t i = 0; i < 2; i++)
    ik_http_pool_put(&pool, &place, transports[i], 0);
  for (size_t i = 2; i > 0; i--) {
    assert_ptr_equal(ik_http_pool_take(&pool, &place, 0), transports[i - 1]);
    close_it(transports[i - 1]);
  }
  ik_http_pool_leave(&pool);
}

static void the_oldest_makes_room(void **state) {
  struct ik_http_place places[IK_HTTP_POOL_MAX + 1];
  (void)state;
  ik_http_pool_join(&pool);
  for (size_t i = 0; i < COUNT(places); i++) {
    char url[40];
    snprintf(url, sizeof(url), "http://h%zu.example/", i);
    places[i] = place_of(url);
    ik_http_pool_put(&pool, &places[i], dial(), i);
  }
  assert_int_equal(web.open, IK_HTTP_POOL_MAX);
  assert_null(ik_http_pool_take(&pool, &places[0], 10));
  for (size_t i = 1; i < COUNT(places); i++)
    close_it(ik_http_pool_take(&pool, &places[i], 10));
  ik_http_pool_leave(&pool);
}

static void none_waits_for_long(void **state) {
  const struct ik_http_place place = place_of("http://h.example/");
  (void)state;
  ik_http_pool_join(&pool);
  ik_http_pool_put(&pool, &place, dial(), 1000);
  ik_http_pool_put(&pool, &place, dial(), 2000);
  ik_http_pool_expire(&pool, 1000 + IK_HTTP_POOL_IDLE_MS - 1);
  assert_int_equal(web.open, 2);
  ik_http_pool_expire(&pool, 1000 + IK_HTTP_POOL_IDLE_MS);
  assert_int_equal(web.open, 1);
  assert_null(ik_http_pool_take(&pool, &place, 2000 + IK_HTTP_POOL_IDLE_MS));
  assert_int_equal(web.open, 0);
  ik_http_pool_leave(&pool);
}

static void close_after(struct fake_web *to, const struct fake_request *request,
                        struct fake_answer *answer) {
  (void)to;
  (void)request;
  fake_web_status(answer, "200 OK", "");
  answer->close = true;
}

static void what_the_server_has_closed_is_passed_over(void **state) {
  const struct ik_http_place place = place_of("http://h.example/");
  char buf[300];
  (void)state;
  web.answer = close_after;
  ik_http_pool_join(&pool);
  struct ik_transport *good = dial();
  struct ik_transport *closed = dial();
  ik_http_pool_put(&pool, &place, good, 0);
  assert_true(closed->ops->write(closed, "GET / HTTP/1.1\r\n\r\n", 18, NULL) > 0);
  while (closed->ops->read(closed, buf, sizeof(buf), NULL) > 0) {}
  ik_http_pool_put(&pool, &place, closed, 0);
  assert_ptr_equal(ik_http_pool_take(&pool, &place, 0), good);
  assert_int_equal(web.open, 1);
  close_it(good);
  ik_http_pool_leave(&pool);
}

/* An answer to nothing would be taken for that of the next request. */
static void nor_is_one_with_more_to_say_given_away(void **state) {
  const struct ik_http_place place = place_of("http://h.example/");
  (void)state;
  web.answer = close_after;
  ik_http_pool_join(&pool);
  struct ik_transport *talks = dial();
  assert_true(talks->ops->write(talks, "GET / HTTP/1.1\r\n\r\n", 18, NULL) > 0);
  ik_http_pool_put(&pool, &place, talks, 0);
  assert_null(ik_http_pool_take(&pool, &place, 0));
  assert_int_equal(web.open, 0);
  ik_http_pool_leave(&pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(without_a_user_nothing_is_kept),
      TEST(the_last_user_closes_all),
      TEST(each_place_has_its_own),
      TEST(the_one_put_last_is_taken_first),
      TEST(the_oldest_makes_room),
      TEST(none_waits_for_long),
      TEST(what_the_server_has_closed_is_passed_over),
      TEST(nor_is_one_with_more_to_say_given_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
