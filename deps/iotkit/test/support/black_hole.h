/*
 * black_hole.h - a port of 127.0.0.1 that never answers: its backlog is full, so the kernel drops
 * what comes.
 */
#ifndef TEST_BLACK_HOLE_H
#define TEST_BLACK_HOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct black_hole {
  int listener;
  uint16_t port;
  int fillers[64];
  size_t count;
};

/* False: this kernel takes every connection. Close it in either case. */
bool black_hole_open(struct black_hole *hole);
void black_hole_close(struct black_hole *hole);

#endif
