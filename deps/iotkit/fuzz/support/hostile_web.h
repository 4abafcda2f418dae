/*
 * hostile_web.h - an HTTP server in memory that does with each connection and request what a script
 * says: it refuses, redirects, lies about lengths and ranges, changes the content, encodes, stalls,
 * cuts, says anything at all. When the script is over nobody is there any more.
 */
#ifndef FUZZ_HOSTILE_WEB_H
#define FUZZ_HOSTILE_WEB_H

#include "fuzz/support/input.h"
#include "net/transport.h"

struct hostile_web {
  struct input *script;
  const uint8_t *image; /* what was announced */
  const uint8_t *other; /* as long, but not it */
  uint64_t size;
  unsigned open; /* connections */
  uint64_t said; /* bytes of answers */
};

/* An ik_dial_fn; ctx is the web. */
int hostile_web_dial(void *ctx, const struct ik_dial *dial, uint64_t now_ms,
                     struct ik_transport **out, char *detail);

#endif
