/*
 * oom.h - an allocator that fails when it is told to, for the sources that are included behind it.
 * Once a test file; support/oom_torture.h comes behind the sources, because cmocka's macros have
 * names of theirs.
 */
#ifndef TEST_OOM_H
#define TEST_OOM_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned budget = ~0u; /* allocations before the one that fails */
static int live;

static bool may_allocate(void) {
  if (budget == 0) return false;
  budget--;
  return true;
}

static void *counted(void *block) {
  if (block) live++;
  return block;
}

static void *oom_malloc(size_t size) {
  return may_allocate() ? counted(malloc(size)) : NULL;
}

static void *oom_calloc(size_t count, size_t size) {
  return may_allocate() ? counted(calloc(count, size)) : NULL;
}

static void *oom_realloc(void *block, size_t size) {
  if (!may_allocate()) return NULL;
  return block ? realloc(block, size) : counted(malloc(size));
}

static void oom_free(void *block) {
  if (block) live--;
  free(block);
}

#define malloc oom_malloc
#define calloc oom_calloc
#define realloc oom_realloc
#define free oom_free

#endif
