/*
 * requests.h - requests to the platform that wait for an answer, by the id of their message.
 *
 * A pending request holds no reference of its asker: the asker calls forget() before it is freed,
 * so with the lock held its memory is valid. Whoever answers takes a reference first, which fails
 * when the last one has just gone.
 */
#ifndef IK_CHANNEL_REQUESTS_H
#define IK_CHANNEL_REQUESTS_H

#include "channel/line.h"
#include "download/uplink.h"

#define IK_REQUESTS_MAX 64

/* Guarded by the line's mutex. */
struct ik_requests {
  struct ik_line *line; /* borrowed */
  struct ik_pending {
    struct ik_request *request;
    uint32_t id;
  } * pending; /* owned, IK_REQUESTS_MAX; NULL while nothing waits: a gateway has many of these */
  size_t count;
};

/* Requests that were taken out and whose askers are held, so that no lock is needed to answer. */
struct ik_requests_taken {
  struct ik_request *requests[IK_REQUESTS_MAX];
  size_t count;
};

void ik_requests_init(struct ik_requests *requests, struct ik_line *line);
void ik_requests_deinit(struct ik_requests *requests);
/* As ik_uplink_ops.ask and .forget. */
int ik_requests_ask(struct ik_requests *requests, struct ik_request *request, const char *module);
void ik_requests_forget(struct ik_requests *requests, struct ik_request *request);

/* Whose a reply to firmware/get is. */
enum ik_reply {
  IK_REPLY_NOT_ASKED, /* nobody here asked */
  IK_REPLY_TAKEN,     /* an asker has it */
  IK_REPLY_ANOTHER    /* an asker has it, and it is about another image than the one asked for */
};
/* A reply to firmware/get: `notice`, or `error`. On the thread that steps the client. */
enum ik_reply ik_requests_reply(struct ik_requests *requests, const struct ik_announcement *notice,
                                int error, const char *detail);
/* A push: whether its image was asked for; then the askers get it. On the same thread. */
bool ik_requests_push(struct ik_requests *requests, const struct ik_announcement *notice);

/* The line closes: takes all out. With the mutex held. */
void ik_requests_take_all(struct ik_requests *requests, struct ik_requests_taken *taken);
/* Answers the taken requests with an error, and releases their askers. With no lock held. */
void ik_requests_fail(const struct ik_requests_taken *taken, int error);

#endif
