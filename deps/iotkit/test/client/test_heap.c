/*
 * The heap of deadlines against a plain array, with random changes.
 */
#include "client/heap.h"

#include <stdbool.h>

#include "support/cm.h"
#include "support/rng.h"

#define ITEMS 500

static void gives_the_earliest(void **state) {
  (void)state;
  struct ik_heap heap = {0};
  struct ik_heap_item items[ITEMS] = {0};
  bool in[ITEMS] = {false};
  struct rng rng = rng_start("gives_the_earliest");
  for (int round = 0; round < 20000; round++) {
    const size_t i = rng_below(&rng, ITEMS);
    if (!in[i]) {
      items[i].when_ms = rng_below(&rng, 1000);
      assert_int_equal(ik_heap_push(&heap, &items[i]), 0);
      in[i] = true;
    } else if (rng_below(&rng, 3) == 0) {
      ik_heap_remove(&heap, &items[i]);
      in[i] = false;
    } else
      ik_heap_set(&heap, &items[i], rng_below(&rng, 1000));
    uint64_t earliest = UINT64_MAX;
    for (size_t k = 0; k < ITEMS; k++)
      if (in[k] && items[k].when_ms < earliest) earliest = items[k].when_ms;
    const struct ik_heap_item *first = ik_heap_first(&heap);
    assert_true(first ? first->when_ms == earliest : earliest == UINT64_MAX);
  }
  ik_heap_deinit(&heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gives_the_earliest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
