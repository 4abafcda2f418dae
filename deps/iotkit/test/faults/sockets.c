/*
 * sockets.c - every call that goes to the network fails in turn, on the way of an image and of a
 * client's messages.
 *
 * One failure passes: what the library does by itself (retries, reconnects) makes it good, and so does
 * a device that tries again. What lasts ends with an error that says so. Nothing stays open.
 */
#include <stdio.h>

#include "base/buf.h"
#include "faults/online.h"
#include "iotkit_core.h"
#include "support/cm.h"

/* Nothing is known of a connection, or of this machine, that forbids another try. */
static bool fits(int rc) {
  return rc < 0 && iotkit_error_retryable(rc);
}

static void judge(const struct fault *fault, int rc, const char *detail, bool detailed) {
  if (rc == 0) return;
  bool passes = fault != NULL && !fault->onward;
  if (fault == NULL || rc == IK_ETIMEOUT || passes)
    trial_wrong("%s: %s", iotkit_error_name(rc), detail);
  else if (!fits(rc))
    trial_wrong("%s is not retryable: %s", iotkit_error_name(rc), detail);
  if (detailed && detail[0] == '\0') trial_wrong("%s has no detail", iotkit_error_name(rc));
}

static void check_fetch(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail, true);
  online_prepare_fetch();
  online_check_again(online_fetch);
}

static void check_client(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail, false);
  online_check_again(online_client);
}

static void check_loop(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail, false);
  online_check_again(online_loop);
}

static void check_channel(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail, false);
  online_check_again(online_channel);
}

/* Its codes are those of the vendor's API; a failure of one call is the program's to make good. */
static void check_published(const struct fault *fault, int rc, const char *detail) {
  if (fault == NULL) judge(fault, rc, detail, false);
  online_check_again(online_published);
}

int main(int argc, char **argv) {
  static const struct scenario scenarios[] = {
      {"fetch", online_prepare_fetch, online_fetch, check_fetch, false},
      {"client", online_prepare_broker, online_client, check_client, false},
      {"loop", online_prepare_broker, online_loop, check_loop, false},
      {"channel", online_prepare_broker, online_channel, check_channel, false},
      {"published", online_prepare_broker, online_published, check_published, true},
  };
  online_begin();
  int rc = trial_main(argc, argv, scenarios, COUNT(scenarios), TRIAL_CALLS, SOCKETS);
  online_end();
  return rc;
}
