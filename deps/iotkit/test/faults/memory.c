/*
 * memory.c - every allocation of the library fails in turn: notices, jobs, saves, clients, the loop,
 * the published API, registrations. OpenSSL has an allocator of its own, which does not fail here.
 *
 * A run without the memory it needs says so or does without, frees all it has, and leaves nothing that
 * a run with memory trips over.
 */
#include <string.h>

#include "faults/online.h"
#include "faults/registers.h"
#include "faults/saves.h"
#include "iotkit_core.h"

static void judge(const struct fault *fault, int rc, const char *detail) {
  if (rc == 0) return;
  if (fault == NULL || rc != IK_ENO_MEMORY) trial_wrong("%s: %s", iotkit_error_name(rc), detail);
}

static void check_fetch(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail);
  online_prepare_fetch();
  online_check_again(online_fetch);
}

static void check_client(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail);
  online_check_again(online_client);
}

static void check_loop(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail);
  online_check_again(online_loop);
}

static void check_channel(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail);
  online_check_again(online_channel);
}

static void check_over(const struct fault *fault, int rc, const char *detail) {
  judge(fault, rc, detail);
  online_check_again(online_over);
}

/* Its codes are those of the vendor's API; a failure of one call is the program's to make good. */
static void check_published(const struct fault *fault, int rc, const char *detail) {
  if (fault == NULL) judge(fault, rc, detail);
  online_check_again(online_published);
}

static const struct scenario online_scenarios[] = {
    {"fetch", online_prepare_fetch, online_fetch, check_fetch, false},
    {"client", online_prepare_broker, online_client, check_client, false},
    {"loop", online_prepare_broker, online_loop, check_loop, false},
    {"channel", online_prepare_broker, online_channel, check_channel, false},
    {"over", online_prepare_broker, online_over, check_over, false},
    {"published", online_prepare_broker, online_published, check_published, true},
};

#define ONLINE (sizeof online_scenarios / sizeof online_scenarios[0])

int main(int argc, char **argv) {
  struct scenario all[SAVES + ONLINE + REGISTERS];
  memcpy(all, save_scenarios, sizeof save_scenarios);
  memcpy(all + SAVES, online_scenarios, sizeof online_scenarios);
  memcpy(all + SAVES + ONLINE, register_scenarios, sizeof register_scenarios);
  if (!saves_begin()) return 1;
  online_begin();
  registers_begin();
  int rc = trial_main(argc, argv, all, SAVES + ONLINE + REGISTERS, TRIAL_ALLOCATIONS, MEMORY);
  registers_end();
  online_end();
  saves_end();
  return rc;
}
