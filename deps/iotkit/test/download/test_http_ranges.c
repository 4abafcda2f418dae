/*
 * Jobs over several connections at once, in memory: ranges come in any order and anything happens
 * to them; the bytes come out in order, and none is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/ranges_run.h"

static void asks_for_ranges_only(struct fake_web *web, const struct fake_request *request,
                                 struct fake_answer *answer) {
  assert_true(request->has_range);
  assert_true(request->from % RANGE == 0);
  assert_true(request->end - request->from == RANGE || request->end == web->size);
  assert_string_equal(request->if_range, ""); /* tags differ between the nodes of a CDN */
  fake_web_serve(web, request, answer);
}

static void fetches_side_by_side(void **state) {
  (void)state;
  static const size_t chunks[] = {1000, 65536, 3 * RANGE, SIZE};
  for (uint32_t count = 2; count <= IOTKIT_CONNECTIONS_MAX; count++) {
    struct fake_web web = ranges_web(SIZE);
    const struct iotkit_fetch_options options = ranges_options(count);
    web.answer = asks_for_ranges_only;
    iotkit_job_t *job = ranges_start(&web, &options);
    assert_int_equal(fake_web_fetch(job, got, SIZE, chunks[count % COUNT(chunks)]), 0);
    ranges_assert_right(&web, job);
    assert_int_equal(web.open_max, count);
    assert_int_equal(web.connections, count); /* each carried one range after another */
    assert_int_equal(web.requests, 10);
    assert_int_equal(web.sent, SIZE);
  }
}

static void small_images_need_one(void **state) {
  (void)state;
  static const struct {
    uint64_t size;
    unsigned connections;
  } cases[] = {{1, 1}, {RANGE, 1}, {RANGE + 1, 2}, {2 * RANGE, 2}, {3 * RANGE, 3}, {4 * RANGE, 4}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct fake_web web = ranges_web(cases[i].size);
    const struct iotkit_fetch_options options = ranges_options(4);
    iotkit_job_t *job = ranges_start(&web, &options);
    assert_int_equal(fake_web_fetch(job, got, web.size, 65536), 0);
    ranges_assert_right(&web, job);
    assert_int_equal(web.connections, cases[i].connections);
    assert_int_equal(web.sent, web.size);
  }
}

static void knows_no_ranges(struct fake_web *web, const struct fake_request *request,
                            struct fake_answer *answer) {
  struct fake_request plain = *request;
  plain.has_range = false;
  fake_web_serve(web, &plain, answer);
}

static void refuses_ranges(struct fake_web *web, const struct fake_request *request,
                           struct fake_answer *answer) {
  if (request->has_range) {
    fake_web_status(answer, "416 Range Not Satisfiable", "");
  } else {
    fake_web_serve(web, request, answer);
  }
}

static void hides_the_total(struct fake_web *web, const struct fake_request *request,
                            struct fake_answer *answer) {
  fake_web_serve(web, request, answer);
  char *total = strstr(answer->head, "/9");
  if (request->has_range) memcpy(total, "/*\r\nX: y", 8);
}

static void gives_less(struct fake_web *web, const struct fake_request *request,
                       struct fake_answer *answer) {
  struct fake_request less = *request;
  if (request->end - request->from > 300000) less.end = request->from + 300000;
  fake_web_serve(web, &less, answer);
}

static void gives_more(struct fake_web *web, const struct fake_request *request,
                       struct fake_answer *answer) {
  struct fake_request open = *request;
  open.end = web->size;
  fake_web_serve(web, &open, answer);
}

/* Servers that do not give ranges: the download uses one connection then, silently. */
static void falls_back_to_one(void **state) {
  (void)state;
  static const struct {
    fake_answer_fn answer;
    uint64_t sent;
  } cases[] = {{knows_no_ranges, SIZE},
               {refuses_ranges, SIZE},
               {hides_the_total, SIZE},
               {gives_less, SIZE},
               {gives_more, SIZE}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct fake_web web = ranges_web(SIZE);
    const struct iotkit_fetch_options options = ranges_options(4);
    web.answer = cases[i].answer;
    iotkit_job_t *job = ranges_start(&web, &options);
    assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), 0);
    ranges_assert_right(&web, job);
    assert_int_equal(web.open_max, 1);
    assert_int_equal(web.sent, cases[i].sent);
  }
}

/* One connection is all that the server takes; the others get an error, for a while or for ever. */
static void serves_one_only(struct fake_web *web, const struct fake_request *request,
                            struct fake_answer *answer) {
  const char *status = web->ctx;
  if (web->open > 1 && request->connection > 0) {
    fake_web_status(answer, status, "");
  } else {
    fake_web_serve(web, request, answer);
  }
}

static void goes_on_alone_where_only_one_is_served(void **state) {
  (void)state;
  static const char *const statuses[] = {"503 Busy", "429 Too Many", "403 Forbidden", "404 Gone"};
  for (size_t i = 0; i < COUNT(statuses); i++) {
    struct fake_web web = ranges_web(SIZE);
    const struct iotkit_fetch_options options = ranges_options(4);
    char status[32];
    snprintf(status, sizeof(status), "%s", statuses[i]);
    web.ctx = status;
    web.answer = serves_one_only;
    iotkit_job_t *job = ranges_start(&web, &options);
    assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), 0);
    ranges_assert_right(&web, job);
    assert_true(web.sent < SIZE + 4 * RANGE);
  }
}

/* Two connections are all that the server takes: it stays at two, range by range. */
static void serves_two_only(struct fake_web *web, const struct fake_request *request,
                            struct fake_answer *answer) {
  assert_true(!request->is_open);
  if (web->open > 2) {
    fake_web_status(answer, "429 Too Many", "Retry-After: 3600\r\n");
  } else {
    fake_web_serve(web, request, answer);
  }
}

static void uses_fewer_where_fewer_are_served(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  const struct iotkit_fetch_options options = ranges_options(4);
  web.answer = serves_two_only;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), 0);
  ranges_assert_right(&web, job);
  assert_true(web.sent < SIZE + 2 * RANGE);
}

/* Another entity tag from the fourth request on: another node of a CDN has another. */
static void changes(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer) {
  if (request->index == 3) web->tag = "\"v2\"";
  fake_web_serve(web, request, answer);
}

static void goes_on_whatever_the_tag(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  const struct iotkit_fetch_options options = ranges_options(3);
  web.answer = changes;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), 0);
  ranges_assert_right(&web, job);
  assert_int_equal(web.sent, SIZE);
}

static void closes_after_each(struct fake_web *web, const struct fake_request *request,
                              struct fake_answer *answer) {
  fake_web_serve(web, request, answer);
  answer->close = true;
}

/* Closed between requests, without a word: that is no failure. */
static void opens_what_was_closed_between_requests(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  struct iotkit_fetch_options options = ranges_options(4);
  options.max_retries = 1;
  options.max_tries = 1;
  web.answer = closes_after_each;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), 0);
  ranges_assert_right(&web, job);
  assert_int_equal(web.connections, 10);
  assert_int_equal(web.sent, SIZE);
}

static void resumes_in_the_middle(void **state) {
  (void)state;
  const uint64_t there = 3 * RANGE + 77;
  struct fake_web web = ranges_web(SIZE);
  const struct iotkit_fetch_options options = ranges_options(4);
  iotkit_job_t *job = ranges_start(&web, &options);
  memcpy(got, image, there);
  assert_int_equal(iotkit_job_digest(job, 0, got, there), 0);
  assert_int_equal(iotkit_job_resume(job, there), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 50000), 0);
  ranges_assert_right(&web, job);
  assert_int_equal(web.sent, SIZE - there);
  assert_int_equal(web.open_max, 4);
}

/* Nothing is wrong with the ranges when the URL has expired: with a new one it goes on as before. */
static void expires(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer) {
  if (request->index >= 5 && strstr(request->text, "GET /f?") != NULL) {
    fake_web_status(answer, "403 Forbidden", "");
  } else {
    fake_web_serve(web, request, answer);
  }
}

static void goes_on_with_another_url(void **state) {
  (void)state;
  char json[1024];
  char hex[65];
  struct fake_web web = ranges_web(SIZE);
  struct iotkit_fetch_options options = ranges_options(3);
  uint64_t next = 0;
  options.renew_timeout_ms = 30000;
  web.answer = expires;
  iotkit_job_t *job = ranges_start(&web, &options);
  for (unsigned i = 0; i < 32; i++)
    snprintf(hex + 2 * i, 3, "%02x", iotkit_job_upgrade(job)->digest[i]);
  snprintf(json, sizeof(json),
           "{\"id\":8,\"message\":\"success\",\"data\":{\"size\":%zu,\"version\":\"2.0.0\",\"url\":"
           "\"http://h.example/g?k=2\","
           "\"signMethod\":\"Sha256\",\"sign\":\"%s\"}}",
           SIZE, hex);
  while (iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    uint64_t offset;
    size_t room = SIZE - next < 65536 ? (size_t)(SIZE - next) : 65536;
    int64_t n = iotkit_job_fetch(job, got + next, room > 0 ? room : 1, 10, &offset);
    assert_true(n >= 0);
    if (n > 0) assert_int_equal(offset, next);
    next += (uint64_t)n;
    if (iotkit_job_wants_url(job)) {
      assert_int_equal(iotkit_job_renew(job, json, strlen(json), NULL), 0);
    }
  }
  ranges_assert_right(&web, job);
  assert_int_equal(web.open_max, 3);
  assert_true(web.sent < SIZE + 4 * RANGE);
}

/* ---- anything, by a seed ---- */

/* One answer in a few is bad, in one way of many; none of them is a wrong byte. */
static void misbehaves(struct fake_web *web, const struct fake_request *request,
                       struct fake_answer *answer) {
  struct fake_request other = *request;
  uint64_t len = request->end - request->from;
  switch (rng_below(&web->rng, 40)) {
  case 0:
    fake_web_status(answer, "503 Busy", "Retry-After: 0\r\n");
    return;
  case 1:
    fake_web_status(answer, "307 There", "Location: /f?k=secret\r\n");
    return;
  case 2:
    other.has_range = false;
    break;
  case 3:
    other.end = request->from + 1 + rng_below(&web->rng, (size_t)len);
    break;
  case 4:
    if (request->has_range) fake_web_status(answer, "416 No", "");
    if (request->has_range) return;
    break;
  default:
    break;
  }
  fake_web_serve(web, &other, answer);
  if (rng_below(&web->rng, 3) == 0) {
    answer->cut = 1 + rng_below(&web->rng, (size_t)answer->len);
    answer->reset = rng_below(&web->rng, 2) == 0;
  }
  answer->close = rng_below(&web->rng, 4) == 0;
}

static void ends_right_whatever_happens(void **state) {
  (void)state;
  struct rng rng = rng_start("test_http_ranges");
  for (int i = 0; i < 60; i++) {
    uint64_t size = 1 + rng_below(&rng, SIZE);
    struct fake_web web = ranges_web(size);
    struct iotkit_fetch_options options = ranges_options((uint32_t)(1 + rng_below(&rng, 8)));
    options.max_retries = UINT32_MAX;
    options.max_tries = 10000;
    web.rng.state = rng_u64(&rng);
    web.answer = misbehaves;
    web.read_most = 1 + rng_below(&rng, 200000);
    web.busy_one_in = (unsigned)(2 + rng_below(&rng, 5));
    if (rng_below(&rng, 3) == 0) web.tag = NULL;
    iotkit_job_t *job = ranges_start(&web, &options);
    fake_web_fetch(job, got, size, 1 + rng_below(&rng, 300000));
    ranges_assert_right(&web, job);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fetches_side_by_side),
      cmocka_unit_test(small_images_need_one),
      cmocka_unit_test(falls_back_to_one),
      cmocka_unit_test(goes_on_alone_where_only_one_is_served),
      cmocka_unit_test(uses_fewer_where_fewer_are_served),
      cmocka_unit_test(goes_on_whatever_the_tag),
      cmocka_unit_test(opens_what_was_closed_between_requests),
      cmocka_unit_test(resumes_in_the_middle),
      cmocka_unit_test(goes_on_with_another_url),
      cmocka_unit_test(ends_right_whatever_happens),
  };
  return cmocka_run_group_tests(tests, ranges_image, NULL);
}
