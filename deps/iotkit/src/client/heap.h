/*
 * heap.h - a binary heap of deadlines; each change costs O(log n). The items belong to the
 * caller.
 */
#ifndef IK_CLIENT_HEAP_H
#define IK_CLIENT_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct ik_heap_item {
  uint64_t when_ms; /* set before push, by ik_heap_set afterwards */
  uint64_t round;   /* of the items due at the same time, those of an older round come first */
  size_t at;        /* its place in the heap */
};

struct ik_heap {
  struct ik_heap_item **items; /* the array is owned */
  size_t count;
  size_t cap;
  uint64_t round;
};

void ik_heap_deinit(struct ik_heap *heap);
int ik_heap_push(struct ik_heap *heap, struct ik_heap_item *item);
void ik_heap_remove(struct ik_heap *heap, struct ik_heap_item *item);
void ik_heap_set(struct ik_heap *heap, struct ik_heap_item *item, uint64_t when_ms);
/* The earliest, NULL: empty. */
struct ik_heap_item *ik_heap_first(const struct ik_heap *heap);

#endif
