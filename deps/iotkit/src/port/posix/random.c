/*
 * random.c - unpredictable bytes from the kernel. No state.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if !defined(__linux__)
#include <stdlib.h>
#endif

#include "port/port.h"

#if defined(__linux__)
/* glibc has it from 2.25 on, and one library is to load with older ones too: a weak name is NULL
 * there. */
ssize_t getrandom(void *out, size_t len, unsigned flags) __attribute__((weak));

static size_t from_system_call(uint8_t *out, size_t len) {
  size_t done = 0;
  while (getrandom != NULL && done < len) {
    ssize_t n = getrandom(out + done, len - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += (size_t)n;
  }
  return done;
}
#else
static size_t from_system_call(uint8_t *out, size_t len) {
  arc4random_buf(out, len);
  return len;
}
#endif

static size_t from_device(uint8_t *out, size_t len) {
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  size_t done = 0;
  if (fd < 0) return 0;
  while (done < len) {
    ssize_t n = read(fd, out + done, len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += (size_t)n;
  }
  close(fd);
  return done;
}

/* Only where neither the call nor the device exists (a bare chroot under an old kernel): spreads
 * ids, keeps no secret. */
static void from_clock(uint8_t *out, size_t len) {
  struct timespec now = {0};
  uint64_t x;
  clock_gettime(CLOCK_MONOTONIC, &now);
  x = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 32) ^ (uint64_t)(uintptr_t)out ^
      ((uint64_t)getpid() << 17);
  for (size_t i = 0; i < len; i++) {
    x += 0x9E3779B97F4A7C15u;
    uint64_t z = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    out[i] = (uint8_t)((z ^ (z >> 27)) >> 40);
  }
}

void ik_port_random(void *out, size_t len) {
  uint8_t *bytes = out;
  size_t done = from_system_call(bytes, len);
  if (done < len) done += from_device(bytes + done, len - done);
  if (done < len) from_clock(bytes + done, len - done);
}

uint32_t ik_port_random_u32(void) {
  uint32_t value;
  ik_port_random(&value, sizeof value);
  return value;
}
