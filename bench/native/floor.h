/* floor.h - what each part of a download costs by itself: the least that a download can take. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stddef.h>
#include <stdint.h>

struct floor_cost {
  double seconds;
  double cpu_seconds; /* user and system, of the calling thread */
};

/*
 * Each returns 0, or an errno value. All of them work on blocks of 256 KiB, as the engine does, and on
 * the calling thread.
 */

/* A digest, "md5" or "sha256", over `size` bytes, by the libcrypto of this process or the system's. */
int floor_digest(const char *method, uint64_t size, struct floor_cost *cost);
/* AES-128-GCM over `size` bytes as records of TLS 1.3: 16 KiB each, a nonce and a tag for each. */
int floor_decrypt(uint64_t size, struct floor_cost *cost);
/* `size` bytes of the body of http://127.0.0.1:`port``path`, received and dropped. */
int floor_receive(int port, const char *path, uint64_t size, struct floor_cost *cost);
/* `size` bytes reserved and written into a new file. */
int floor_write(const char *file, uint64_t size, struct floor_cost *cost);

#endif
