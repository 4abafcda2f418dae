/*
 * link.h - the way from a job back to the channel it came from, which may be gone before the job.
 *
 * Counted by references: one is the channel's, one each job's and each copy's. The channel, which
 * the stepping thread frees, closes it; the jobs' fetching threads ask through it. What a reply
 * brings goes to the job on the stepping thread, under no lock of the link.
 */
#ifndef IK_API_LINK_H
#define IK_API_LINK_H

#include "iotkit_ota.h"
#include "ota/messages.h"
#include "ota/notice.h"
#include "port/port.h"

#define IK_LINK_QUESTIONS_MAX 64

struct ik_link;

/* With one reference. The errors of ik_ota_topic(), IK_ENO_MEMORY. Borrows the client. */
int ik_link_new(iotkit_mqtt_t *client, const char *product_key, const char *device_name,
                struct ik_link **out);
struct ik_link *ik_link_ref(struct ik_link *link); /* NULL is allowed */
void ik_link_unref(struct ik_link *link);
/*
 * The channel goes: afterwards nothing here touches the client, and no reply is handed on. Once,
 * when no reply is being handled; NULL is allowed.
 */
void ik_link_close(struct ik_link *link);
/* The id of the device's next message. Any thread. */
uint32_t ik_link_next_id(struct ik_link *link);
const char *ik_link_topic(const struct ik_link *link, enum ik_ota_topic which);

/* ---- asking for an upgrade again ---- */

/*
 * Asks the platform for the job's upgrade again (firmware/get). The answer comes to
 * ik_job_answered(): the notice, or an error (IK_EURL_EXPIRED: it has no such upgrade any more,
 * IK_ENOTICE_CODE). One question a job; a new one replaces it. IK_ECLOSED: the channel is gone;
 * IK_ENOT_CONNECTED, IK_EQUEUE_FULL: ask again later, though a push may answer meanwhile. Any
 * thread, without the job's mutex.
 */
int ik_link_ask(struct ik_link *link, iotkit_job_t *job);
/*
 * The job's question, if any, is of no more interest. One being answered at this moment may still
 * arrive, so a job calls it before it is freed. Any thread.
 */
void ik_link_forget(struct ik_link *link, iotkit_job_t *job);

/* What a reply is to the channel. */
enum ik_link_reply {
  IK_LINK_NOT_ASKED, /* nobody here asked */
  IK_LINK_TAKEN,     /* a job has it */
  IK_LINK_ANOTHER    /* a job has asked and been told that it is about another image */
};
/* A reply to firmware/get: `notice`, or `error`. On the stepping thread. */
enum ik_link_reply ik_link_answer(struct ik_link *link, const struct ik_notice *notice, int error,
                                  const char *detail);
/* A push: whether jobs have asked for that image; they get it. On the stepping thread. */
bool ik_link_renew(struct ik_link *link, const struct ik_notice *notice);

/* ---- blocks ---- */

/* Where the replies to block requests go. Its owner's memory, the link's while it is open. */
struct ik_link_inlet {
  /* On the stepping thread, one at a time; may not call the link. */
  void (*on_reply)(void *ctx, const uint8_t *payload, size_t len);
  /* The channel is gone. With the link's lock held: only to wake somebody. */
  void (*on_close)(void *ctx);
  void *ctx;
  struct ik_link_inlet *next; /* the link's */
};
/* Subscribes. IK_ECLOSED, and the errors of iotkit_mqtt_subscribe(). Any thread. */
int ik_link_open_inlet(struct ik_link *link, struct ik_link_inlet *inlet);
/* Unsubscribes with the last one; afterwards no function of it runs. Once. Any thread. */
void ik_link_close_inlet(struct ik_link *link, struct ik_link_inlet *inlet);
/* The largest block whose reply the client can receive; 0: the channel is gone. */
size_t ik_link_block_room(struct ik_link *link);
/*
 * Publishes a block request. IK_EAGAIN: not before *until_ms, so that the device keeps to the
 * platform's rate; else the errors of iotkit_mqtt_publish(). Any thread.
 */
int ik_link_ask_block(struct ik_link *link, const struct ik_ota_block *block, uint64_t now_ms,
                      uint32_t *id, uint64_t *until_ms);
/*
 * Waits until `wake` is signalled, something was handled, or `until_ms`; and steps the client
 * meanwhile unless somebody else does. IK_EIN_CALLBACK: inside a callback of the client; IK_ECLOSED.
 */
int ik_link_step(struct ik_link *link, struct ik_wake *wake, uint64_t until_ms);

#endif
