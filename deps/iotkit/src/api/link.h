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

struct ik_link;

struct ik_link *ik_link_ref(struct ik_link *link); /* NULL is allowed */
void ik_link_unref(struct ik_link *link);

/*
 * Asks the platform for the job's upgrade again (firmware/get). The answer comes to
 * ik_job_answered(): the notice, or an error (IK_EURL_EXPIRED: it has no such upgrade any more,
 * IK_ENOTICE_CODE). One question a job; a new one replaces it. IK_ECLOSED: the channel is gone;
 * IK_ENOT_CONNECTED, IK_EQUEUE_FULL: ask again later. Any thread.
 */
int ik_link_ask(struct ik_link *link, iotkit_job_t *job);
/* The job's question, if any, is of no more interest. After it no answer is delivered. Any thread.
 */
void ik_link_forget(struct ik_link *link, iotkit_job_t *job);

#endif
