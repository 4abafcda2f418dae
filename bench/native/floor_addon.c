/* floor_addon.c - the floor inside Node.js, by its libcrypto: floor(part, …) → [seconds, cpuSeconds] */
#include <node_api.h>
#include <string.h>

#include "floor.h"

enum { TEXT_MAX = 1024 };

static void text_of(napi_env env, napi_value value, char *out) {
  out[0] = '\0';
  napi_get_value_string_utf8(env, value, out, TEXT_MAX, NULL);
}

static int64_t number_of(napi_env env, napi_value value) {
  int64_t number = 0;
  napi_get_value_int64(env, value, &number);
  return number;
}

/* The arguments: part, bytes, text (method, path or file), port. */
static napi_value run(napi_env env, napi_callback_info info) {
  napi_value args[4];
  size_t count = 4;
  char part[TEXT_MAX];
  char text[TEXT_MAX];
  struct floor_cost cost = {0, 0};
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  text_of(env, args[0], part);
  const uint64_t size = (uint64_t)number_of(env, args[1]);
  text_of(env, args[2], text);
  int rc = -1;
  if (strcmp(part, "digest") == 0) rc = floor_digest(text, size, &cost);
  if (strcmp(part, "decrypt") == 0) rc = floor_decrypt(size, &cost);
  if (strcmp(part, "receive") == 0)
    rc = floor_receive((int)number_of(env, args[3]), text, size, &cost);
  if (strcmp(part, "write") == 0) rc = floor_write(text, size, &cost);
  if (rc != 0) {
    napi_throw_error(env, NULL, rc < 0 ? "no such part" : strerror(rc));
    return NULL;
  }
  napi_value out;
  napi_value number;
  napi_create_array_with_length(env, 2, &out);
  napi_create_double(env, cost.seconds, &number);
  napi_set_element(env, out, 0, number);
  napi_create_double(env, cost.cpu_seconds, &number);
  napi_set_element(env, out, 1, number);
  return out;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "floor", NAPI_AUTO_LENGTH, run, NULL, &function);
  napi_set_named_property(env, exports, "floor", function);
  return exports;
}
