/*
 * uplink.h - the contract of the way from a download back to the platform: what a channel offers to
 * the jobs it has announced.
 *
 * A job knows this contract alone, and a channel that implements it (channel/uplink.c) knows
 * pending requests and block receivers but no job. The channel may be gone long before the job:
 * then every call answers IK_ECLOSED.
 */
#ifndef IK_DOWNLOAD_UPLINK_H
#define IK_DOWNLOAD_UPLINK_H

#include "alink/announcement.h"
#include "alink/messages.h"
#include "port/port.h"

struct ik_request;

/* What the asker does with an answer. */
struct ik_request_ops {
  /*
   * Keeps the asker in memory until release(). False: its last reference has just gone. With the
   * uplink's lock held, so it may call nothing that waits.
   */
  bool (*try_hold)(struct ik_request *request);
  /* Gives back what try_hold() took, with no lock held. */
  void (*release)(struct ik_request *request);
  /* Whether the notice brings the image that was asked for. With the uplink's lock held. */
  bool (*matches)(const struct ik_request *request, const struct ik_announcement *notice);
  /*
   * The answer: a notice (whether it matches is for the asker to see), or NULL and an error. On the
   * thread that steps the client, with no lock held.
   */
  void (*answer)(struct ik_request *request, const struct ik_announcement *notice, int error,
                 const char *detail);
};

/* A pending request to the platform; embedded in whoever asks. */
struct ik_request {
  const struct ik_request_ops *ops;
};

/* Where the replies to block requests go. Its owner's memory, which the uplink links while open. */
struct ik_block_receiver {
  /* On the thread that steps the client, one at a time; may not call the uplink. */
  void (*on_reply)(void *ctx, const uint8_t *payload, size_t len);
  /* The channel is gone. With the uplink's lock held: only to wake somebody. */
  void (*on_close)(void *ctx);
  void *ctx;
  struct ik_block_receiver *next; /* the uplink's */
};

struct ik_uplink;

/* Any thread, and without a lock of the caller's that an answer takes. */
struct ik_uplink_ops {
  void (*ref)(struct ik_uplink *uplink);
  void (*unref)(struct ik_uplink *uplink);
  /*
   * Asks the platform again for the upgrade of `module` (firmware/get). One pending request each
   * asker; a new request replaces it. IK_ECLOSED: the channel is gone; IK_ENOT_CONNECTED,
   * IK_EQUEUE_FULL: ask again later, though a push may answer meanwhile.
   */
  int (*ask)(struct ik_uplink *uplink, struct ik_request *request, const char *module);
  /*
   * The request is no longer pending. One that is being answered at this moment may still be
   * answered; to be called before the asker is freed.
   */
  void (*forget)(struct ik_uplink *uplink, struct ik_request *request);
  /* Subscribes to the topic of blocks. IK_ECLOSED and the errors of iotkit_mqtt_subscribe(). */
  int (*open_blocks)(struct ik_uplink *uplink, struct ik_block_receiver *receiver);
  /* Unsubscribes with the last receiver; afterwards no function of this one runs. Once. */
  void (*close_blocks)(struct ik_uplink *uplink, struct ik_block_receiver *receiver);
  /* The largest block whose reply the client can receive; 0: the channel is gone. */
  size_t (*block_room)(struct ik_uplink *uplink);
  /*
   * Publishes a block request and returns its id. IK_EAGAIN: not before *until_ms, so that the
   * device keeps to the platform's rate; else the errors of iotkit_mqtt_publish().
   */
  int (*ask_block)(struct ik_uplink *uplink, const struct ik_ota_block *block, uint64_t now_ms,
                   uint32_t *id, uint64_t *until_ms);
  /*
   * Waits until `wake` is signalled, something was handled, or `until_ms`, and steps the client
   * meanwhile unless another thread does. IK_EIN_CALLBACK: inside a callback of the client;
   * IK_ECLOSED.
   */
  int (*step)(struct ik_uplink *uplink, struct ik_wake *wake, uint64_t until_ms);
};

struct ik_uplink {
  const struct ik_uplink_ops *ops;
};

#endif
