/*
 * driver.h - runs IOT_* calls that stand as text on stdin, for the parity tests: what the C library
 * does, without Node.
 *
 * A line is a function and its arguments, parted by tabs; the answer is one line of JSON on stdout.
 * Arguments:
 *   ~             NULL                      n<number>      a number
 *   s<hex>        a text                    @<name>        a handle that an earlier call made
 *   b<len>,<at>   a buffer of `len` bytes, `at` bytes behind an address that is a multiple of 8, filled with FILL
 *   p<0|1>,<len>  a pointer that is NULL or not, for functions that set one, and the length to claim for it
 */
#ifndef PARITY_DRIVER_H
#define PARITY_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILL 0xAA
#define GUARD 16 /* bytes behind a buffer that nobody may touch */
#define ARGS_MAX 16

struct arg {
  bool is_null;
  int64_t number;
  char *text;      /* NUL-terminated; also the name of a handle */
  uint8_t *memory; /* of a buffer; owned */
  uint8_t *buf;    /* in `memory` */
  size_t len;
  char *pointer; /* of p */
  bool is_pointer;
};

/* What a call answers; `ret` unless `is_handle`. */
struct answer {
  bool is_handle;
  bool made; /* is_handle: not NULL */
  int64_t ret;
  int64_t content; /* bytes of the buffer that the call says it has filled; -1: it does not say */
};

struct function {
  const char *name;
  int count; /* of arguments */
  void (*run)(struct arg *args, struct answer *answer);
};

/* Ends with an entry without a name. */
extern const struct function mqtt_functions[];
extern const struct function ota_functions[];

/* Handles by name; NULL for a name that was never set. */
void *handle_of(const struct arg *arg);
void set_handle(const char *name, void *handle);
const char *name_of(const void *handle);

/*
 * Adds an event, an object with the members that the format makes, to the next answer, and runs the
 * hook.
 */
void add_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The line that the next event runs, inside the callback. */
void set_hook(const char *line);
/* Writes bytes as hex digits and a NUL. */
void to_hex(const uint8_t *bytes, size_t len, char *out);

#endif
