/*
 * files.c - every call that a save makes to the disk fails in turn.
 */
#include "faults/saves.h"

int main(int argc, char **argv) {
  if (!saves_begin()) return 1;
  int rc = trial_main(argc, argv, save_scenarios, SAVES, TRIAL_CALLS, FILES);
  saves_end();
  return rc;
}
