/*
 * freed.h - an allocator that looks for a secret in what is freed, under every allocation that the
 * library and the test make themselves. For tests whose name ends with "_freed": the linker sends
 * malloc(), realloc() and free() here. Once a test file.
 */
#ifndef TEST_FREED_H
#define TEST_FREED_H

#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* In every secret of these tests, and nowhere else. */
#define FREED_MARK "s3cret"

void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static atomic_uint freed_blocks;
static atomic_uint freed_secrets; /* blocks that still had one */
static char freed_sample[65];     /* from such a block */

static void freed_look(const void *block) {
  const size_t len = block == NULL ? 0 : malloc_usable_size((void *)(uintptr_t)block);
  const size_t mark = sizeof FREED_MARK - 1;
  const char *bytes = block;
  atomic_fetch_add(&freed_blocks, 1);
  for (size_t i = 0; i + mark <= len; i++) {
    if (bytes[i] != FREED_MARK[0] || memcmp(bytes + i, FREED_MARK, mark) != 0) continue;
    const size_t from = i < 40 ? 0 : i - 40;
    const size_t most = sizeof freed_sample - 1;
    const size_t n = len - from < most ? len - from : most;
    if (atomic_fetch_add(&freed_secrets, 1) == 0) memcpy(freed_sample, bytes + from, n);
    return;
  }
}

/* Zeroed, so that every byte of a block has been written when it is looked at. */
void *__wrap_malloc(size_t size) {
  void *block = __real_malloc(size);
  if (block != NULL) memset(block, 0, malloc_usable_size(block));
  return block;
}

void *__wrap_realloc(void *block, size_t size) {
  freed_look(block);
  return __real_realloc(block, size);
}

void __wrap_free(void *block) {
  freed_look(block);
  __real_free(block);
}

#endif
