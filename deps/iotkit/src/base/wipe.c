/*
 * wipe.c - overwrites memory. No state.
 */
#include "base/wipe.h"

#include <stdlib.h>
#include <string.h>

/* Through a volatile pointer: the compiler cannot see that what is written is never read. */
static void *(*const volatile overwrite)(void *, int, size_t) = memset;

void ik_wipe(void *data, size_t len) {
  if (len > 0) overwrite(data, 0, len);
}

void ik_wipe_free(void *block, size_t len) {
  if (block == NULL) return;
  ik_wipe(block, len);
  free(block);
}
