/*
 * heap.c - the heap is an array in which items[i] is not later than items[2i + 1] and items[2i
 * + 2].
 */
#include "client/heap.h"

#include <stdbool.h>
#include <stdlib.h>

#include "iotkit_errors.h"

#define FIRST_CAP 16

static bool before(const struct ik_heap_item *a, const struct ik_heap_item *b) {
  return a->when_ms != b->when_ms ? a->when_ms < b->when_ms : a->round < b->round;
}

static void put(struct ik_heap *heap, struct ik_heap_item *item, size_t at) {
  heap->items[at] = item;
  item->at = at;
}

static void sift_up(struct ik_heap *heap, struct ik_heap_item *item) {
  size_t at = item->at;
  while (at > 0 && before(item, heap->items[(at - 1) / 2])) {
    put(heap, heap->items[(at - 1) / 2], at);
    at = (at - 1) / 2;
  }
  put(heap, item, at);
}

static void sift_down(struct ik_heap *heap, struct ik_heap_item *item) {
  size_t at = item->at;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= heap->count) break;
    if (child + 1 < heap->count && before(heap->items[child + 1], heap->items[child])) child++;
    if (!before(heap->items[child], item)) break;
    put(heap, heap->items[child], at);
    at = child;
  }
  put(heap, item, at);
}

void ik_heap_deinit(struct ik_heap *heap) {
  free(heap->items);
  *heap = (struct ik_heap){0};
}

int ik_heap_push(struct ik_heap *heap, struct ik_heap_item *item) {
  if (heap->count == heap->cap) {
    const size_t cap = heap->cap ? heap->cap * 2 : FIRST_CAP;
    struct ik_heap_item **items = realloc(heap->items, cap * sizeof(struct ik_heap_item *));
    if (!items) return IK_ENO_MEMORY;
    heap->items = items;
    heap->cap = cap;
  }
  put(heap, item, heap->count++);
  sift_up(heap, item);
  return 0;
}

void ik_heap_remove(struct ik_heap *heap, struct ik_heap_item *item) {
  struct ik_heap_item *last = heap->items[--heap->count];
  if (last == item) return;
  put(heap, last, item->at);
  sift_up(heap, last);
  sift_down(heap, last);
}

void ik_heap_set(struct ik_heap *heap, struct ik_heap_item *item, uint64_t when_ms) {
  item->when_ms = when_ms;
  sift_up(heap, item);
  sift_down(heap, item);
}

struct ik_heap_item *ik_heap_first(const struct ik_heap *heap) {
  return heap->count ? heap->items[0] : NULL;
}
