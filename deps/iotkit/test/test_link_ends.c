/*
 * The link by itself, over a client that is never connected: its bounds, its pace, and what happens
 * while jobs or the channel go.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/job.h"
#include "api/link.h"
#include "support/cm.h"

static void compose(char *json, size_t cap, const char *id) {
  snprintf(json, cap,
           "{\"code\":200,\"id\":\"%s\",\"data\":{\"size\":5,\"version\":\"2\","
           "\"url\":\"http://127.0.0.1/f\",\"md5\":\"0123456789abcdef0123456789abcdef\"}}",
           id);
}

static iotkit_job_t *make_job(void) {
  char json[1024];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job;
  compose(json, sizeof(json), "1");
  assert_int_equal(iotkit_job_parse(json, strlen(json), NULL, &job, detail), 0);
  return job;
}

/* A client that is not connected and never will be. */
static iotkit_mqtt_t *make_offline(void) {
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1", .port = 1, .client_id = "c"};
  iotkit_mqtt_t *client;
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  return client;
}

static void bounds_its_questions(void **state) {
  (void)state;
  iotkit_mqtt_t *offline = make_offline();
  struct ik_link *link;
  iotkit_job_t *jobs[IK_LINK_QUESTIONS_MAX + 1];
  assert_int_equal(ik_link_new(offline, "pk", "dn", &link), 0);
  for (size_t i = 0; i < COUNT(jobs); i++) {
    jobs[i] = make_job();
    ik_job_set_link(jobs[i], link);
    int rc = ik_link_ask(link, jobs[i]);
    assert_int_equal(rc, i < IK_LINK_QUESTIONS_MAX ? IK_ENOT_CONNECTED : IK_EQUEUE_FULL);
  }
  assert_int_equal(ik_link_ask(link, jobs[0]), IK_ENOT_CONNECTED); /* replaces its own */
  ik_link_forget(link, jobs[1]);
  ik_link_forget(link, jobs[1]);
  assert_int_equal(ik_link_ask(link, jobs[IK_LINK_QUESTIONS_MAX]), IK_ENOT_CONNECTED);
  iotkit_job_unref(jobs[2]); /* takes its question along */
  jobs[2] = make_job();
  ik_job_set_link(jobs[2], link);
  assert_int_equal(ik_link_ask(link, jobs[2]), IK_ENOT_CONNECTED);
  ik_link_close(link);
  assert_int_equal(ik_link_ask(link, jobs[0]), IK_ECLOSED);
  assert_int_equal(ik_link_block_room(link), 0);
  for (size_t i = 0; i < COUNT(jobs); i++)
    iotkit_job_unref(jobs[i]);
  ik_link_unref(link);
  iotkit_mqtt_free(offline);
}

static void keeps_a_question_that_could_not_be_sent(void **state) {
  (void)state;
  char json[1024];
  struct ik_link *link;
  struct ik_notice notice;
  iotkit_job_t *job = make_job();
  iotkit_mqtt_t *offline = make_offline();
  assert_int_equal(ik_link_new(offline, "pk", "dn", &link), 0);
  assert_int_equal(ik_link_ask(link, job), IK_ENOT_CONNECTED);
  compose(json, sizeof(json), "7");
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
  assert_int_equal(ik_link_answer(link, &notice, 0, ""), IK_LINK_NOT_ASKED);
  assert_true(ik_link_renew(link, &notice)); /* a push answers it */
  assert_false(ik_link_renew(link, &notice));
  ik_notice_free(&notice);
  iotkit_job_unref(job);
  ik_link_close(link);
  ik_link_unref(link);
  iotkit_mqtt_free(offline);
}

static void drops_the_question_of_a_job_that_is_gone(void **state) {
  (void)state;
  char json[1024];
  char id[16];
  struct ik_link *link;
  struct ik_notice notice;
  iotkit_mqtt_t *offline = make_offline();
  assert_int_equal(ik_link_new(offline, "pk", "dn", &link), 0);
  iotkit_job_t *job = make_job();
  ik_job_set_link(job, link);
  snprintf(id, sizeof(id), "%" PRIu32, ik_link_next_id(link) + 1);
  assert_int_equal(ik_link_ask(link, job), IK_ENOT_CONNECTED);
  iotkit_job_unref(job);
  compose(json, sizeof(json), id);
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
  assert_int_equal(ik_link_answer(link, &notice, 0, ""), IK_LINK_NOT_ASKED);
  ik_notice_free(&notice);
  ik_link_close(link);
  ik_link_unref(link);
  iotkit_mqtt_free(offline);
}

struct asking {
  struct ik_link *link;
  iotkit_job_t *job;
};

static atomic_uint asked;

static void *ask_and_go(void *arg) {
  const struct asking *asking = arg;
  for (unsigned i = 0; i < 500; i++) {
    iotkit_job_t *job = make_job();
    ik_job_set_link(job, asking->link);
    ik_link_ask(asking->link, job);
    iotkit_job_unref(job);
    atomic_fetch_add(&asked, 1);
  }
  return NULL;
}

static void answers_while_jobs_go(void **state) {
  (void)state;
  char json[1024];
  pthread_t threads[2];
  struct asking asking = {0};
  struct ik_notice notice;
  iotkit_mqtt_t *offline = make_offline();
  assert_int_equal(ik_link_new(offline, "pk", "dn", &asking.link), 0);
  compose(json, sizeof(json), "7");
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
  atomic_store(&asked, 0);
  for (size_t i = 0; i < COUNT(threads); i++)
    assert_int_equal(pthread_create(&threads[i], NULL, ask_and_go, &asking), 0);
  while (atomic_load(&asked) < 1000)
    ik_link_renew(asking.link, &notice);
  for (size_t i = 0; i < COUNT(threads); i++)
    pthread_join(threads[i], NULL);
  assert_false(ik_link_renew(asking.link, &notice));
  ik_notice_free(&notice);
  ik_link_close(asking.link);
  ik_link_unref(asking.link);
  iotkit_mqtt_free(offline);
}

static void paces_block_requests(void **state) {
  (void)state;
  iotkit_mqtt_t *offline = make_offline();
  struct ik_link *link;
  const struct ik_ota_block block = {1, 1, 0, 256};
  uint64_t now_ms = ik_port_now_ms();
  uint64_t end_ms = now_ms + 1000;
  uint64_t until_ms;
  uint32_t id;
  unsigned sent = 0;
  assert_int_equal(ik_link_new(offline, "pk", "dn", &link), 0);
  while (now_ms < end_ms) {
    int rc = ik_link_ask_block(link, &block, now_ms, &id, &until_ms);
    if (rc == IK_ENOT_CONNECTED) {
      sent++; /* counted all the same */
      continue;
    }
    assert_int_equal(rc, IK_EAGAIN);
    assert_true(until_ms > now_ms);
    now_ms = until_ms;
  }
  assert_true(sent >= 18 && sent <= 20);
  ik_link_close(link);
  ik_link_unref(link);
  iotkit_mqtt_free(offline);
}

static void *ask_until_closed(void *arg) {
  const struct asking *asking = arg;
  int rc;
  do {
    rc = ik_link_ask(asking->link, asking->job);
    ik_link_forget(asking->link, asking->job);
    atomic_fetch_add(&asked, 1);
  } while (rc == 0 || rc == IK_EQUEUE_FULL || rc == IK_ENOT_CONNECTED);
  return (void *)(intptr_t)rc;
}

static void closes_while_jobs_ask(void **state) {
  (void)state;
  struct asking asking[3];
  pthread_t threads[COUNT(asking)];
  void *result;
  struct ik_link *link;
  iotkit_mqtt_t *offline = make_offline();
  assert_int_equal(ik_link_new(offline, "pk", "dn", &link), 0);
  atomic_store(&asked, 0);
  for (size_t i = 0; i < COUNT(asking); i++) {
    asking[i] = (struct asking){link, make_job()};
    ik_job_set_link(asking[i].job, link);
    assert_int_equal(pthread_create(&threads[i], NULL, ask_until_closed, &asking[i]), 0);
  }
  while (atomic_load(&asked) < 100)
    sched_yield();
  ik_link_close(link);
  iotkit_mqtt_free(offline); /* nobody uses it any more */
  for (size_t i = 0; i < COUNT(asking); i++) {
    pthread_join(threads[i], &result);
    assert_int_equal((int)(intptr_t)result, IK_ECLOSED);
    iotkit_job_unref(asking[i].job);
  }
  ik_link_unref(link);
}

static void refuses_names_that_are_no_topic(void **state) {
  (void)state;
  iotkit_mqtt_t *offline = make_offline();
  struct ik_link *link;
  char name[IK_OTA_TOPIC_MAX];
  memset(name, 'a', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  assert_int_equal(ik_link_new(offline, "a/b", "dn", &link), IK_EINVALID_ARGUMENT);
  assert_null(link);
  assert_int_equal(ik_link_new(offline, "pk", name, &link), IK_ETOO_LONG);
  ik_link_unref(NULL);
  ik_link_close(NULL);
  ik_link_forget(NULL, NULL);
  assert_null(ik_link_ref(NULL));
  assert_int_equal(ik_link_ask(NULL, NULL), IK_ECLOSED);
  iotkit_mqtt_free(offline);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bounds_its_questions),
      cmocka_unit_test(keeps_a_question_that_could_not_be_sent),
      cmocka_unit_test(drops_the_question_of_a_job_that_is_gone),
      cmocka_unit_test(answers_while_jobs_go),
      cmocka_unit_test(paces_block_requests),
      cmocka_unit_test(closes_while_jobs_ask),
      cmocka_unit_test(refuses_names_that_are_no_topic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
