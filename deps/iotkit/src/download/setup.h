/*
 * setup.h - what is fixed before the first fetch of a job: which image, with which options, over
 * which channel.
 *
 * The job owns it. Options and signature change only while no fetch has begun, with the lock of
 * control.h: the thread inside a fetch reads them without it, every other one with it. The rest is
 * fixed before another thread can know the job.
 */
#ifndef IK_DOWNLOAD_SETUP_H
#define IK_DOWNLOAD_SETUP_H

#include "alink/announcement.h"
#include "download/options.h"
#include "download/uplink.h"
#include "download/verify.h"
#include "net/transport.h"

struct ik_fetch_setup {
  struct ik_announcement announcement; /* owned */
  uint64_t upgrade_size;               /* of the upgrade it belongs to, all files together */
  struct ik_fetch_config *config;      /* a reference */
  struct ik_uplink *uplink;            /* a reference; NULL: the job came from no channel */
  struct ik_signature signature;       /* of the user's own; owned */
  /*
   * Bytes handed out cannot be taken back: a body that starts at 0 again is compared and skipped.
   */
  bool no_rewind;
  ik_dial_fn dial; /* how connections are opened */
  void *dial_ctx;
  iotkit_retry_fn on_retry; /* NULL: nobody is told */
  void *retry_ctx;
};

#endif
