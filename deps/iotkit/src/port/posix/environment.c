/* Tested by deps/iotkit/test/net/test_proxy.c. */
/*
 * environment.c - variables of the process's environment. No state.
 */
#include <stdlib.h>

#include "port/port.h"

int ik_port_environment(const char *name, char **out) {
  /* NOLINTNEXTLINE(concurrency-mt-unsafe): the contract leaves that to the caller */
  const char *value = getenv(name);
  *out = NULL;
  if (value == NULL) return 0;
  *out = ik_str_dup(ik_str(value));
  return *out == NULL ? IK_ENO_MEMORY : 0;
}
