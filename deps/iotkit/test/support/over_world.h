/*
 * over_world.h - a device whose channel is over an MQTT client of the program's own: here one that the
 * channel knows nothing of, with a broker and a firmware server on loopback.
 */
#ifndef TEST_OVER_WORLD_H
#define TEST_OVER_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "iotkit_over.h"
#include "support/block_platform.h"
#include "support/http_server.h"

#define SIZE 100000u
#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define REQUEST_TOPIC "/ota/device/request/pk/dn"
#define INFORM_TOPIC "/ota/device/inform/pk/dn"
#define PROGRESS_TOPIC "/ota/device/progress/pk/dn"
#define GET_TOPIC "/sys/pk/dn/thing/ota/firmware/get"
#define GET_REPLY_TOPIC "/sys/pk/dn/thing/ota/firmware/get_reply"
#define FOREIGN_TOPIC "/pk/dn/user/get"

struct world {
  struct mini_broker *broker;
  struct block_platform platform;
  struct http_server *server; /* "/f" well, "/old" 403 */
  iotkit_mqtt_t *client;      /* the program's */
  iotkit_ota_t *ota;
  iotkit_job_t *job;
  unsigned jobs, refused, nothings, foreign, connects;
  bool fetches_inside; /* on_upgrade does */
  int64_t fetched_inside;
  int faults; /* the next so many calls of the transport fail */
  int fault;  /* with this */
  atomic_bool stop;
  pthread_t driver;
  bool driven; /* by another thread */
  uint8_t image[SIZE];
};

/* `steps`: the transport has a step, so that a fetch drives the client. */
struct world *ow_make(bool steps);
int ow_setup(void **state);
/* Nothing drives the client from inside a fetch. */
int ow_setup_without_step(void **state);
int ow_teardown(void **state);
/* Frees the channel, then the client, whose events would have no channel to go to. */
void ow_end_channel(struct world *world);
/* Another thread drives the client, until ow_stop_driving() or the teardown. */
void ow_drive_elsewhere(struct world *world);
void ow_stop_driving(struct world *world);

/* Yields until the broker has the subscription. */
void ow_await_subscribed(struct world *world, const char *topic);
/* The platform announces the image at that path of the server, or in blocks. */
void ow_push_url(struct world *world, const char *path);
void ow_push_blocks(struct world *world);
/* From now on, before the client is started, the platform answers a request with "/f". */
void ow_answer_requests(struct world *world);
/* Yields until *what is `count`. */
void ow_until(struct world *world, const unsigned *what, unsigned count);
/* Returns the error that ended the download; 0: every byte was fetched and is right. */
int ow_fetch_all(struct world *world, uint32_t timeout_ms);
/* The first message on the topic has that part and that QoS. */
void ow_assert_published(struct world *world, const char *topic, const char *part, unsigned qos);

#endif
