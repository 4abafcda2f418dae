/*
 * job.h - jobs as the rooms above download/ see them, beyond iotkit_ota.h. The inside of a job is
 * in job_private.h, for job*.c alone.
 */
#ifndef IK_DOWNLOAD_JOB_H
#define IK_DOWNLOAD_JOB_H

#include "alink/announcement.h"
#include "download/options.h"
#include "download/uplink.h"
#include "net/transport.h"

/* Takes over the announcement, also when it fails, and a reference of the config. */
int ik_job_new(struct ik_announcement *announcement, struct ik_fetch_config *config,
               iotkit_job_t **out);

/* ---- before the first fetch ---- */

/*
 * Bytes handed out cannot be taken back (FetchYield): a body that starts at byte 0 again is
 * compared with them and skipped.
 */
void ik_job_set_no_rewind(iotkit_job_t *job);
/*
 * Whether the fetched image is from answers that did not prove to be of the same one. The fetching
 * thread.
 */
bool ik_job_is_mixed(const iotkit_job_t *job);
/* Another way to open connections. */
void ik_job_set_dial(iotkit_job_t *job, ik_dial_fn dial, void *ctx);
/* The way back to the channel it came from; takes a reference. */
void ik_job_set_uplink(iotkit_job_t *job, struct ik_uplink *uplink);

/*
 * Whether the job may have the announced image, whoever fetches it: the rules that its first fetch
 * would begin with, about size, signatures and URL. Their errors fail the job. IK_EINVALID_STATE: it
 * is fetched already. With `detail`.
 */
int ik_job_admit(iotkit_job_t *job, char *detail);
/* It has the image without a fetch. The error of a job that has failed meanwhile, with `detail`. */
int ik_job_complete(iotkit_job_t *job, char *detail);

/* ---- any thread ---- */

/* What it fetches; lives as long as the job. */
const struct ik_announcement *ik_job_announcement(const iotkit_job_t *job);
/* IK_ENO_SPACE: the upgrade that it belongs to is larger than the max_size of its options. */
int ik_job_check_size(const iotkit_job_t *job, char *detail);
/* Whether the caller digests the bytes (external_digest). */
bool ik_job_has_external_digest(const iotkit_job_t *job);
/* Whether others than the caller hold a reference. */
bool ik_job_is_shared(const iotkit_job_t *job);
/*
 * `inner` is the job of the file that is being saved: abort, interrupt and pause of `job` are
 * passed on to it, also an abort or a pause from before. NULL: none any more. Holds a reference
 * meanwhile.
 */
void ik_job_set_inner(iotkit_job_t *job, iotkit_job_t *inner);

#endif
