/*
 * oom_torture.h - runs a scenario again and again, with one more allocation that succeeds each
 * time.
 */
#ifndef TEST_OOM_TORTURE_H
#define TEST_OOM_TORTURE_H

#include "support/cm.h"
#include "support/oom.h"

/* Runs `scenario` until nothing fails in it any more; says how many allocations that takes. */
static unsigned torture(int (*scenario)(void)) {
  for (unsigned n = 0; n < 1000; n++) {
    int rc;
    budget = n;
    live = 0;
    rc = scenario();
    if (live != 0) fail_msg("allocation %u fails: %d blocks are left", n, live);
    if (rc == 0) return n;
    if (rc != IK_ENO_MEMORY) fail_msg("allocation %u fails: %d", n, rc);
  }
  fail_msg("it never passes");
  return 0;
}

#endif
