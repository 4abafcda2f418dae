/* Tested by deps/iotkit/test/port/posix/test_file.c. */
/*
 * errno.c - texts of system errors. No state.
 */
#include <stdio.h>
#include <string.h>

#include "port/posix/posix.h"

/* strerror_r comes in two forms, which differ in what they return; the compiler picks the one that
 * fits. */
static const char *__attribute__((unused)) from_posix(int rc, const char *out) {
  return rc == 0 ? out : NULL;
}

static const char *__attribute__((unused)) from_gnu(const char *text, const char *out) {
  (void)out;
  return text;
}

#define PICK(call, out) _Generic((call), int : from_posix, char * : from_gnu)((call), (out))

const char *ik_posix_errno_text(int error, char out[IK_ERRNO_TEXT_MAX]) {
  const char *text = PICK(strerror_r(error, out, IK_ERRNO_TEXT_MAX), out);
  if (text == NULL)
    snprintf(out, IK_ERRNO_TEXT_MAX, "system error %d", error);
  else if (text != out)
    snprintf(out, IK_ERRNO_TEXT_MAX, "%s", text);
  return out;
}
