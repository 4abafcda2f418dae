/*
 * The uplink with jobs, over a client that is never connected: what happens while jobs or the channel
 * go.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "alink/notice.h"
#include "channel/client_carrier.h"
#include "channel/uplink.h"
#include "download/job.h"
#include "download/job_private.h"
#include "support/cm.h"
#include "support/offline_client.h"

/* Of the one uplink of a test. */
static struct ik_client_carrier carrier;

static int new_uplink(iotkit_mqtt_t *client, const char *product_key, const char *device_name,
                      struct ik_channel_uplink **out) {
  ik_client_carrier_init(&carrier, client);
  return ik_channel_uplink_new(&carrier.face, product_key, device_name, out);
}

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

static int ask(struct ik_channel_uplink *uplink, iotkit_job_t *job) {
  struct ik_uplink *face = ik_channel_uplink_face(uplink);
  return face->ops->ask(face, &job->renewal.request, iotkit_job_upgrade(job)->module);
}

static void forget(struct ik_channel_uplink *uplink, iotkit_job_t *job) {
  struct ik_uplink *face = ik_channel_uplink_face(uplink);
  face->ops->forget(face, &job->renewal.request);
}

static size_t block_room(struct ik_channel_uplink *uplink) {
  struct ik_uplink *face = ik_channel_uplink_face(uplink);
  return face->ops->block_room(face);
}

static void answers_nothing_once_it_is_closed(void **state) {
  (void)state;
  struct ik_channel_uplink *uplink;
  iotkit_mqtt_t *offline = offline_client_new();
  iotkit_job_t *job = make_job();
  assert_int_equal(new_uplink(offline, "pk", "dn", &uplink), 0);
  ik_job_set_uplink(job, ik_channel_uplink_face(uplink));
  assert_int_equal(ask(uplink, job), IK_ENOT_CONNECTED);
  assert_true(block_room(uplink) > 0);
  ik_channel_uplink_close(uplink);
  assert_int_equal(ask(uplink, job), IK_ECLOSED);
  assert_int_equal(block_room(uplink), 0);
  iotkit_job_unref(job);
  ik_channel_uplink_unref(uplink);
  iotkit_mqtt_free(offline);
}

static void makes_room_for_another_when_a_job_goes(void **state) {
  (void)state;
  struct ik_channel_uplink *uplink;
  iotkit_job_t *jobs[IK_REQUESTS_MAX];
  iotkit_mqtt_t *offline = offline_client_new();
  assert_int_equal(new_uplink(offline, "pk", "dn", &uplink), 0);
  for (size_t i = 0; i < COUNT(jobs); i++) {
    jobs[i] = make_job();
    ik_job_set_uplink(jobs[i], ik_channel_uplink_face(uplink));
    assert_int_equal(ask(uplink, jobs[i]), IK_ENOT_CONNECTED);
  }
  iotkit_job_unref(jobs[2]); /* takes its request along */
  jobs[2] = make_job();
  ik_job_set_uplink(jobs[2], ik_channel_uplink_face(uplink));
  assert_int_equal(ask(uplink, jobs[2]), IK_ENOT_CONNECTED);
  ik_channel_uplink_close(uplink);
  for (size_t i = 0; i < COUNT(jobs); i++)
    iotkit_job_unref(jobs[i]);
  ik_channel_uplink_unref(uplink);
  iotkit_mqtt_free(offline);
}

static void drops_the_request_of_a_job_that_is_gone(void **state) {
  (void)state;
  char json[1024];
  char id[16];
  struct ik_channel_uplink *uplink;
  struct ik_announcement notice;
  iotkit_mqtt_t *offline = offline_client_new();
  assert_int_equal(new_uplink(offline, "pk", "dn", &uplink), 0);
  iotkit_job_t *job = make_job();
  ik_job_set_uplink(job, ik_channel_uplink_face(uplink));
  snprintf(id, sizeof(id), "%" PRIu32, ik_line_next_id(ik_channel_uplink_line(uplink)) + 1);
  assert_int_equal(ask(uplink, job), IK_ENOT_CONNECTED);
  iotkit_job_unref(job);
  compose(json, sizeof(json), id);
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
  assert_int_equal(ik_channel_uplink_reply(uplink, &notice, 0, ""), IK_REPLY_NOT_ASKED);
  ik_announcement_free(&notice);
  ik_channel_uplink_close(uplink);
  ik_channel_uplink_unref(uplink);
  iotkit_mqtt_free(offline);
}

struct asking {
  struct ik_channel_uplink *uplink;
  iotkit_job_t *job;
};

static atomic_uint asked;

static void *ask_and_go(void *arg) {
  const struct asking *asking = arg;
  for (unsigned i = 0; i < 500; i++) {
    iotkit_job_t *job = make_job();
    ik_job_set_uplink(job, ik_channel_uplink_face(asking->uplink));
    ask(asking->uplink, job);
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
  struct ik_announcement notice;
  iotkit_mqtt_t *offline = offline_client_new();
  assert_int_equal(new_uplink(offline, "pk", "dn", &asking.uplink), 0);
  compose(json, sizeof(json), "7");
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
  atomic_store(&asked, 0);
  for (size_t i = 0; i < COUNT(threads); i++)
    assert_int_equal(pthread_create(&threads[i], NULL, ask_and_go, &asking), 0);
  while (atomic_load(&asked) < 1000)
    ik_channel_uplink_push(asking.uplink, &notice);
  for (size_t i = 0; i < COUNT(threads); i++)
    pthread_join(threads[i], NULL);
  assert_false(ik_channel_uplink_push(asking.uplink, &notice));
  ik_announcement_free(&notice);
  ik_channel_uplink_close(asking.uplink);
  ik_channel_uplink_unref(asking.uplink);
  iotkit_mqtt_free(offline);
}

static void *ask_until_closed(void *arg) {
  const struct asking *asking = arg;
  int rc;
  do {
    rc = ask(asking->uplink, asking->job);
    forget(asking->uplink, asking->job);
    atomic_fetch_add(&asked, 1);
  } while (rc == 0 || rc == IK_EQUEUE_FULL || rc == IK_ENOT_CONNECTED);
  return (void *)(intptr_t)rc;
}

static void closes_while_jobs_ask(void **state) {
  (void)state;
  struct asking asking[3];
  pthread_t threads[COUNT(asking)];
  void *result;
  struct ik_channel_uplink *uplink;
  iotkit_mqtt_t *offline = offline_client_new();
  assert_int_equal(new_uplink(offline, "pk", "dn", &uplink), 0);
  atomic_store(&asked, 0);
  for (size_t i = 0; i < COUNT(asking); i++) {
    asking[i] = (struct asking){uplink, make_job()};
    ik_job_set_uplink(asking[i].job, ik_channel_uplink_face(uplink));
    assert_int_equal(pthread_create(&threads[i], NULL, ask_until_closed, &asking[i]), 0);
  }
  while (atomic_load(&asked) < 100)
    sched_yield();
  ik_channel_uplink_close(uplink);
  iotkit_mqtt_free(offline); /* nobody uses it any more */
  for (size_t i = 0; i < COUNT(asking); i++) {
    pthread_join(threads[i], &result);
    assert_int_equal((int)(intptr_t)result, IK_ECLOSED);
    iotkit_job_unref(asking[i].job);
  }
  ik_channel_uplink_unref(uplink);
}

static void refuses_names_that_are_no_topic(void **state) {
  (void)state;
  iotkit_mqtt_t *offline = offline_client_new();
  struct ik_channel_uplink *uplink;
  char name[IK_OTA_TOPIC_MAX];
  memset(name, 'a', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  assert_int_equal(new_uplink(offline, "a/b", "dn", &uplink), IK_EINVALID_ARGUMENT);
  assert_null(uplink);
  assert_int_equal(new_uplink(offline, "pk", name, &uplink), IK_ETOO_LONG);
  ik_channel_uplink_unref(NULL);
  ik_channel_uplink_close(NULL);
  iotkit_mqtt_free(offline);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_nothing_once_it_is_closed),
      cmocka_unit_test(makes_room_for_another_when_a_job_goes),
      cmocka_unit_test(drops_the_request_of_a_job_that_is_gone),
      cmocka_unit_test(answers_while_jobs_go),
      cmocka_unit_test(closes_while_jobs_ask),
      cmocka_unit_test(refuses_names_that_are_no_topic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
