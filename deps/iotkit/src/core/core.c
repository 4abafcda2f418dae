/*
 * core.c - version and clock. Nothing is owned; all texts are static.
 */
#include "iotkit_core.h"

#include "port/port.h"

const char *iotkit_version(void) {
  return "0.1.0"; /* package.json's; test_core compares them */
}

uint64_t iotkit_now_ms(void) {
  return ik_port_now_ms();
}
