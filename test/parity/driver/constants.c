/*
 * constants.c - prints every published constant of the headers, one JSON object. The names come in
 * from the recorded list, as -DCONSTANTS="CONSTANT(name) …": a constant that is missing does not
 * compile.
 */
#include <stdio.h>

#include "iot_export.h"
#include "iot_import.h"

#define CONSTANT(name)                                                                             \
  printf("%s\n  \"" #name "\": %lld", comma, (long long)(name));                                   \
  comma = ",";

int main(void) {
  const char *comma = "";
  putchar('{');
  CONSTANTS
  puts("\n}");
  return 0;
}
