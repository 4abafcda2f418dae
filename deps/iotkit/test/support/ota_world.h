/*
 * ota_world.h - a device under the published API with a broker and a firmware server on loopback.
 */
#ifndef TEST_OTA_WORLD_H
#define TEST_OTA_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "iot_export.h"
#include "support/http_server.h"
#include "support/mini_broker.h"

#define SIZE 20000u /* of the image */
#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define INFORM_TOPIC "/ota/device/inform/pk/dn"
#define PROGRESS_TOPIC "/ota/device/progress/pk/dn"
#define STEPS_MAX 10000 /* of a loop that awaits something */

struct world {
  struct mini_broker *broker;
  struct http_server *server; /* "/f" well, "/cut" cut once, "/gone" 404, "/stall" */
  void *mqtt;
  void *ota;        /* of pk, dn */
  unsigned notices; /* pushed so far: their ids */
  atomic_bool yielding;
  pthread_t yielder; /* while yielding */
  char md5[33];
  char sha256[65];
};

int world_setup(void **state);
int world_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* Another handle of pk, dn instead of the one before. */
void world_init_again(struct world *world);

/* Yields until the broker has that subscription. */
void world_await_topic(struct world *world, const char *filter);
/* The same for the notices of pk, dn. */
void world_await_subscription(struct world *world);
/* A notice with these members as its data. */
void world_push_data(struct world *world, const char *data);
/* A notice for that path; `fields` are the digest's, as JSON members. */
void world_push(struct world *world, const char *version, const char *path, const char *fields);
void world_push_md5(struct world *world, const char *version, const char *path);
/* Yields until IOT_OTA_IsFetching. */
void world_await_fetching(struct world *world);
/* Yields until there is a last error. */
void world_await_error(struct world *world);

/* From now on counts the calls of the pushed callback, which tries to deinit the handle. */
void world_count_pushes(struct world *world);
/* Yields until there were `count` of them. */
void world_await_pushes(struct world *world, unsigned count);
/* What Deinit returned inside the last one. */
int world_deinit_in_callback(void);

/* Another thread yields from start to stop. */
void world_start_yielding(struct world *world);
void world_stop_yielding(struct world *world);

/* The documented loop. Returns what the last FetchYield did. */
int world_fetch_all(struct world *world, uint8_t *image, uint32_t chunk);
/* An Ioctl that must do. */
uint32_t world_get_u32(struct world *world, IOT_OTA_CmdType_t type);
void world_assert_image(const uint8_t *image);

/* Waits until "/stall" has sent half of the image and nothing more. */
void world_await_stall(void);

enum situation { INITED, PUSHED, MID, FETCHED_OK, FETCHED_BAD, AFTER_ERROR, SITUATIONS };
/* MID: 5,000 bytes were fetched. */
void world_bring_to(struct world *world, enum situation situation);

#endif
