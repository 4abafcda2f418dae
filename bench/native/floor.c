#include "floor.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024, RECORD = 16 * 1024, TAG = 16, NONCE = 12, HEAD_MAX = 16 * 1024 };

/* ---- the crypto library: no headers of it are needed ---- */

enum { CTRL_SET_TAG = 0x11, CTRL_GET_TAG = 0x10 };

static struct {
  void *(*md_ctx_new)(void);
  void (*md_ctx_free)(void *);
  const void *(*md5)(void);
  const void *(*sha256)(void);
  int (*digest_init)(void *, const void *, void *);
  int (*digest_update)(void *, const void *, size_t);
  int (*digest_final)(void *, unsigned char *, unsigned *);
  void *(*cipher_ctx_new)(void);
  void (*cipher_ctx_free)(void *);
  int (*cipher_ctrl)(void *, int, int, void *);
  const void *(*aes_128_gcm)(void);
  int (*cipher_init)(void *, const void *, void *, const unsigned char *, const unsigned char *,
                     int);
  int (*cipher_update)(void *, unsigned char *, int *, const unsigned char *, int);
  int (*cipher_final)(void *, unsigned char *, int *);
} lib;

static void *library(void) {
  static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so",
                                      "libcrypto.3.dylib", "libcrypto.dylib"};
  if (dlsym(RTLD_DEFAULT, "EVP_DigestUpdate") != NULL) return RTLD_DEFAULT; /* in Node.js */
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    void *found = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
    if (found != NULL) return found;
  }
  return NULL;
}

static bool has_library(void) {
  const struct {
    const char *name;
    void *place;
  } table[] = {{"EVP_MD_CTX_new", &lib.md_ctx_new},
               {"EVP_MD_CTX_free", &lib.md_ctx_free},
               {"EVP_md5", &lib.md5},
               {"EVP_sha256", &lib.sha256},
               {"EVP_DigestInit_ex", &lib.digest_init},
               {"EVP_DigestUpdate", &lib.digest_update},
               {"EVP_DigestFinal_ex", &lib.digest_final},
               {"EVP_CIPHER_CTX_new", &lib.cipher_ctx_new},
               {"EVP_CIPHER_CTX_free", &lib.cipher_ctx_free},
               {"EVP_CIPHER_CTX_ctrl", &lib.cipher_ctrl},
               {"EVP_aes_128_gcm", &lib.aes_128_gcm},
               {"EVP_CipherInit_ex", &lib.cipher_init},
               {"EVP_CipherUpdate", &lib.cipher_update},
               {"EVP_CipherFinal_ex", &lib.cipher_final}};
  void *from = library();
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    void *found = dlsym(from, table[i].name);
    if (found == NULL) return false;
    memcpy(table[i].place, &found, sizeof(found));
  }
  return true;
}

/* ---- time ---- */

static double now(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void begin(struct floor_cost *cost) {
  cost->seconds = -now(CLOCK_MONOTONIC);
  cost->cpu_seconds = -now(CLOCK_THREAD_CPUTIME_ID);
}

static void end(struct floor_cost *cost) {
  cost->seconds += now(CLOCK_MONOTONIC);
  cost->cpu_seconds += now(CLOCK_THREAD_CPUTIME_ID);
}

static size_t part_of(uint64_t left, size_t most) {
  return left < most ? (size_t)left : most;
}

/* Memory that holds more than zeros, its pages touched. */
static unsigned char *new_block(size_t size) {
  unsigned char *block = malloc(size);
  if (block == NULL) return NULL;
  for (size_t i = 0; i < size; i++)
    block[i] = (unsigned char)(i * 131);
  return block;
}

/* ---- digest ---- */

int floor_digest(const char *method, uint64_t size, struct floor_cost *cost) {
  unsigned char digest[64];
  unsigned length;
  if (!has_library()) return ENOSYS;
  unsigned char *block = new_block(BLOCK);
  void *context = lib.md_ctx_new();
  int rc = block == NULL || context == NULL ? ENOMEM : 0;
  if (rc == 0) {
    begin(cost);
    lib.digest_init(context, strcmp(method, "md5") == 0 ? lib.md5() : lib.sha256(), NULL);
    for (uint64_t left = size; left > 0; left -= part_of(left, BLOCK))
      lib.digest_update(context, block, part_of(left, BLOCK));
    lib.digest_final(context, digest, &length);
    end(cost);
  }
  lib.md_ctx_free(context);
  free(block);
  return rc;
}

/* ---- decryption ---- */

/* A block of one record after the other, each with its tag, which a peer would have sent. */
static bool seal(void *context, unsigned char *sealed, const unsigned char *plain) {
  unsigned char nonce[NONCE] = {0};
  bool ok = true;
  for (int i = 0; ok && i < BLOCK / RECORD; i++) {
    unsigned char *record = sealed + (size_t)i * (RECORD + TAG);
    int length;
    nonce[NONCE - 1] = (unsigned char)i;
    ok = lib.cipher_init(context, NULL, NULL, NULL, nonce, 1) == 1 &&
         lib.cipher_update(context, record, &length, plain + (size_t)i * RECORD, RECORD) == 1 &&
         lib.cipher_final(context, record + RECORD, &length) == 1 &&
         lib.cipher_ctrl(context, CTRL_GET_TAG, TAG, record + RECORD) == 1;
  }
  return ok;
}

static bool open_records(void *context, unsigned char *sealed, unsigned char *plain) {
  unsigned char nonce[NONCE] = {0};
  for (int i = 0; i < BLOCK / RECORD; i++) {
    unsigned char *record = sealed + (size_t)i * (RECORD + TAG);
    unsigned char *out = plain + (size_t)i * RECORD;
    int length;
    nonce[NONCE - 1] = (unsigned char)i;
    if (lib.cipher_init(context, NULL, NULL, NULL, nonce, 0) != 1 ||
        lib.cipher_ctrl(context, CTRL_SET_TAG, TAG, record + RECORD) != 1 ||
        lib.cipher_update(context, out, &length, record, RECORD) != 1 ||
        lib.cipher_final(context, out + length, &length) != 1)
      return false;
  }
  return true;
}

int floor_decrypt(uint64_t size, struct floor_cost *cost) {
  static const unsigned char key[16] = "a key of 16 byt";
  if (!has_library()) return ENOSYS;
  unsigned char *plain = new_block(BLOCK);
  unsigned char *sealed = malloc(BLOCK / RECORD * (RECORD + TAG));
  void *context = lib.cipher_ctx_new();
  int rc = plain == NULL || sealed == NULL || context == NULL ? ENOMEM : 0;
  if (rc == 0 && (lib.cipher_init(context, lib.aes_128_gcm(), NULL, key, NULL, 1) != 1 ||
                  !seal(context, sealed, plain)))
    rc = EINVAL;
  if (rc == 0) {
    begin(cost);
    for (uint64_t left = size; rc == 0 && left > 0; left -= part_of(left, BLOCK))
      if (!open_records(context, sealed, plain)) rc = EBADMSG;
    end(cost);
  }
  lib.cipher_ctx_free(context);
  free(sealed);
  free(plain);
  return rc;
}

/* ---- receiving ---- */

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

/* The bytes of the body that came with the head; -1: there is no good head. */
static ssize_t receive_head(int fd, char *block) {
  size_t length = 0;
  while (length < HEAD_MAX) {
    ssize_t got = recv(fd, block + length, HEAD_MAX - length, 0);
    if (got <= 0) return -1;
    length += (size_t)got;
    block[length] = '\0';
    const char *end_of_head = strstr(block, "\r\n\r\n");
    if (end_of_head != NULL && strncmp(block, "HTTP/1.1 200", 12) != 0) return -1;
    if (end_of_head != NULL) return (ssize_t)(length - (size_t)(end_of_head + 4 - block));
  }
  return -1;
}

static int receive_body(int fd, const char *path, char *block, uint64_t size) {
  char request[512];
  int length =
      snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
  if (send(fd, request, (size_t)length, 0) != length) return EIO;
  ssize_t got = receive_head(fd, block);
  if (got < 0) return EBADMSG;
  for (uint64_t done = (uint64_t)got; done < size; done += (uint64_t)got) {
    got = recv(fd, block, BLOCK, 0);
    if (got <= 0) return got == 0 ? EPIPE : errno;
  }
  return 0;
}

int floor_receive(int port, const char *path, uint64_t size, struct floor_cost *cost) {
  char *block = (char *)new_block(BLOCK + 1);
  if (block == NULL) return ENOMEM;
  begin(cost);
  int fd = connect_to(port);
  int rc = fd < 0 ? errno : receive_body(fd, path, block, size);
  if (fd >= 0) close(fd);
  end(cost);
  free(block);
  return rc;
}

/* ---- writing ---- */

static int write_all(int fd, const unsigned char *block, uint64_t size) {
#ifdef __linux__
  if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) != 0) return errno;
#endif
  for (uint64_t done = 0; done < size; done += part_of(size - done, BLOCK)) {
    size_t part = part_of(size - done, BLOCK);
    if (pwrite(fd, block, part, (off_t)done) != (ssize_t)part) return errno != 0 ? errno : EIO;
  }
  return 0;
}

int floor_write(const char *file, uint64_t size, struct floor_cost *cost) {
  unsigned char *block = new_block(BLOCK);
  if (block == NULL) return ENOMEM;
  begin(cost);
  int fd = open(file, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  int rc = fd < 0 ? errno : write_all(fd, block, size);
  if (fd >= 0 && close(fd) != 0 && rc == 0) rc = errno;
  end(cost);
  free(block);
  return rc;
}
