/* The log and its sink. */
#include <string.h>

#include "port/port.h"
#include "support/cmocka_all.h"

struct line {
  int count;
  int level;
  char text[600];
};

static void keep_line(void *ctx, int level, const char *text) {
  struct line *line = ctx;
  line->count++;
  line->level = level;
  memcpy(line->text, text, strnlen(text, sizeof line->text - 1) + 1);
}

static void log_goes_to_the_sink(void **state) {
  (void)state;
  struct line line = {0};
  iotkit_log_set(IOTKIT_LOG_WARNING, keep_line, &line);
  ik_log(IOTKIT_LOG_INFO, "not %s", "shown");
  assert_int_equal(line.count, 0);
  ik_log(IOTKIT_LOG_WARNING, "two\nlines and an \033[31mescape %d", 7);
  assert_int_equal(line.level, IOTKIT_LOG_WARNING);
  assert_string_equal(line.text, "two lines and an  [31mescape 7");
  ik_log(IOTKIT_LOG_ERROR, "%01000d", 1);
  assert_int_equal(strlen(line.text), 511);
  iotkit_log_set(IOTKIT_LOG_NONE, keep_line, &line);
  ik_log(IOTKIT_LOG_CRITICAL, "off");
  assert_int_equal(line.count, 2);
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(log_goes_to_the_sink),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
