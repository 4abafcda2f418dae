/*
 * job_private.h - the inside of a job, for job*.c and the tests.
 */
#ifndef IK_DOWNLOAD_JOB_PRIVATE_H
#define IK_DOWNLOAD_JOB_PRIVATE_H

#include <stdatomic.h>

#include "download/control.h"
#include "download/fetch.h"
#include "download/renewal.h"
#include "download/running_digest.h"
#include "download/setup.h"

struct iotkit_job {
  atomic_uint refs;
  struct ik_fetch_setup setup;     /* see setup.h */
  struct ik_control control;       /* any thread */
  struct ik_running_digest digest; /* any thread */
  struct ik_renewal renewal;       /* see renewal.h */
  struct ik_fetch fetch;           /* the fetching thread */
  bool is_file;           /* of several: until it is freed, connections are kept for the next one */
  struct ik_mutex *relay; /* of `inner`; taken before any other lock of a job */
  /* The job of the file that is being saved: interrupt, abort and pause are passed on to it; NULL:
   * none. A reference. */
  iotkit_job_t *inner;
};

/*
 * A reference of the job's options and a copy of its signature, which another thread may be
 * replacing. IK_ENO_MEMORY: only the options. Any thread.
 */
int ik_job_copy_settings(const iotkit_job_t *job, struct ik_fetch_config **config,
                         struct ik_signature *signature);

#endif
