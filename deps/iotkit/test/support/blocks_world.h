/*
 * blocks_world.h - a device with a broker on loopback whose platform gives the test image in blocks.
 */
#ifndef TEST_BLOCKS_WORLD_H
#define TEST_BLOCKS_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "iotkit_ota.h"
#include "support/block_platform.h"
#include "support/rng.h"

#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define IMAGE_MAX (400 * 1024)

struct world {
  struct mini_broker *broker;
  struct block_platform platform;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  iotkit_job_t *jobs[2];
  unsigned job_count;
  unsigned subscribed;
  uintptr_t event_thread; /* the last event's */
  uint8_t *image;         /* what was fetched */
  pthread_t stepper;
  bool has_stepper;
  atomic_bool stop;
  struct rng rng;
  atomic_uint stalled; /* how many requests the script has swallowed */
  int64_t in_callback;
  bool fetch_in_callback;
};

/* An image of `size` bytes; `fetch` NULL: all defaults; max_packet as of the client. */
struct world *bw_make(uint64_t size, const struct iotkit_fetch_options *fetch, size_t max_packet);
void bw_free(struct world *world);
/* Times and waits of milliseconds, any number of tries. */
struct iotkit_fetch_options bw_hasty(void);

/* Pushes a notice, with MD5 if the id is even. */
void bw_announce(struct world *world, unsigned id, const char *module);
/* Yields until so many jobs have come. */
void bw_await_jobs(struct world *world, unsigned count);
/* Both, for one. */
iotkit_job_t *bw_announced(struct world *world);
/* From here on another thread yields; until then. */
void bw_step_elsewhere(struct world *world);
void bw_stop_stepping(struct world *world);

/* Returns the error that ended it, 0: all is there. */
int bw_fetch_all(struct world *world, iotkit_job_t *job, size_t chunk);
/* The same of the first job, for a thread; its result is that of bw_join(). */
void *bw_fetch_slowly(void *world);
int bw_join(pthread_t thread);
void bw_assert_image(const struct world *world, uint64_t from);

/* A script of the platform that answers nothing and counts in `stalled`. */
enum block_fault bw_swallow(void *ctx, const struct block_request *request);

#endif
