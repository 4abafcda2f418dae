/*
 * blocks_world.h - the rig of tests over sockets: a device, and a broker on loopback whose platform
 * sends the test image in blocks.
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
  uintptr_t event_thread; /* that the last event was reported on */
  uint8_t *image;         /* the bytes fetched */
  pthread_t stepper;
  bool has_stepper;
  atomic_bool stop;
  struct rng rng;
  unsigned slowed;     /* faults so far that slow down all that follows */
  atomic_uint stalled; /* requests that bw_swallow() left without a reply */
  int64_t in_callback;
  bool fetch_in_callback;
};

/* An image of `size` bytes; `fetch` NULL: all defaults; `max_packet`: the option of the client. */
struct world *bw_make(uint64_t size, const struct iotkit_fetch_options *fetch, size_t max_packet);
void bw_free(struct world *world);
/* Time-outs and waits of milliseconds, no limit of tries. */
struct iotkit_fetch_options bw_hasty(void);

/* The platform pushes a notice, with an MD5 digest if the id is even. */
void bw_announce(struct world *world, unsigned id, const char *module);
/* Yields until on_upgrade() has been called for `count` jobs. */
void bw_await_jobs(struct world *world, unsigned count);
/* Announces one image and returns its job. */
iotkit_job_t *bw_announced(struct world *world);
/* Another thread yields from here on, until bw_stop_stepping() or bw_free(). */
void bw_step_elsewhere(struct world *world);
void bw_stop_stepping(struct world *world);

/* Returns the error that ended the download; 0: every byte was fetched. */
int bw_fetch_all(struct world *world, iotkit_job_t *job, size_t chunk);
/* The same for the first job, as the function of a thread; bw_join() returns its result. */
void *bw_fetch_slowly(void *world);
int bw_join(pthread_t thread);
/* The bytes fetched are those of the image, from `from` on. */
void bw_assert_image(const struct world *world, uint64_t from);

/* A script of the platform that sends no reply and counts the requests in `stalled`. */
enum block_fault bw_swallow(void *ctx, const struct block_request *request);

#endif
