/*
 * files.c - every call that a save or a registration makes to the disk fails in turn.
 */
#include <string.h>

#include "faults/registers.h"
#include "faults/saves.h"

int main(int argc, char **argv) {
  struct scenario all[SAVES + REGISTERS];
  memcpy(all, save_scenarios, sizeof save_scenarios);
  memcpy(all + SAVES, register_scenarios, sizeof register_scenarios);
  if (!saves_begin()) return 1;
  registers_begin();
  int rc = trial_main(argc, argv, all, SAVES + REGISTERS, TRIAL_CALLS, FILES);
  registers_end();
  saves_end();
  return rc;
}
