/*
 * The one HAL function that a program of replaced.c brings itself; REPLACED is its name. Every
 * machine that the SDK runs on lets a function ignore what it was called with, so one body does for
 * all of them: it returns 0, NULL or nothing.
 */
#include "published/hal/stub.h"

unsigned hal_stub_calls;

/* Visible as iot_import.h declares it, so that the shared library finds it as well. */
__attribute__((visibility("default"))) uintptr_t REPLACED(void);
uintptr_t REPLACED(void) {
  hal_stub_calls++;
  return 0;
}

void (*const hal_stub)(void) = (void (*)(void))REPLACED;
