/*
 * inject.c - the calls that the library makes in a program that is linked with --wrap.
 *
 * The plan is written while no thread is watched but the one that writes it. Each call has a counter;
 * the blocks that are allocated are kept in a table, because what is freed may come from libc.
 */
#include "faults/inject.h"

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BLOCKS_MAX 16384

struct row {
  const char *name;
  enum fault_group group;
  const int *errors;
};

#define X(name, group, ...) static const int errors_##name[] = {__VA_ARGS__, 0};
#include "faults/calls.def"
#undef X

static const struct row rows[CALLS] = {
#define X(name, group, ...) {#name, group, errors_##name},
#include "faults/calls.def"
#undef X
};

static struct {
  int call; /* -1: none; CALLS: any allocation */
  unsigned nth;
  int error;
  bool onward;
} plan = {.call = -1};

static atomic_bool counting, struck;
static atomic_uint calls[CALLS], allocations;
static _Thread_local bool watched;

/* ---- what the driver asks ---- */

const char *inject_name(enum fault_call call) {
  return rows[call].name;
}

enum fault_group inject_group(enum fault_call call) {
  return rows[call].group;
}

const int *inject_errors(enum fault_call call) {
  return rows[call].errors;
}

const char *inject_error_name(int error) {
  if (error == SHORT) return "SHORT";
  return error == NOTHING ? "NOTHING" : strerrorname_np(error);
}

static void begin(int call, unsigned nth, int error, bool onward) {
  plan.call = call;
  plan.nth = nth;
  plan.error = error;
  plan.onward = onward;
  for (int i = 0; i < CALLS; i++)
    atomic_store(&calls[i], 0);
  atomic_store(&allocations, 0);
  atomic_store(&struck, false);
  watched = true;
  atomic_store(&counting, true);
}

void inject_begin(void) {
  begin(-1, 0, 0, false);
}

void inject_begin_fault(enum fault_call call, unsigned nth, int error, bool onward) {
  begin((int)call, nth, error, onward);
}

void inject_begin_oom(unsigned nth, bool onward) {
  begin(CALLS, nth, ENOMEM, onward);
}

bool inject_end(void) {
  atomic_store(&counting, false);
  watched = false;
  return atomic_load(&struck);
}

bool inject_watch(bool watch) {
  bool before = watched;
  watched = watch;
  return before;
}

unsigned inject_calls(enum fault_call call) {
  return atomic_load(&calls[call]);
}

unsigned inject_allocations(void) {
  return atomic_load(&allocations);
}

unsigned inject_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  unsigned count = 0;
  while (directory != NULL && readdir(directory) != NULL)
    count++;
  if (directory != NULL) closedir(directory);
  return count;
}

/* ---- whether a call fails ---- */

static bool is_watched(void) {
  return watched && atomic_load(&counting);
}

static bool is_due(unsigned n) {
  if (n != plan.nth && !(plan.onward && n > plan.nth)) return false;
  atomic_store(&struck, true);
  return true;
}

/* What this call fails with; 0: it does not. */
static int strike(enum fault_call call) {
  if (!is_watched()) return 0;
  unsigned n = atomic_fetch_add(&calls[call], 1);
  if (plan.call != (int)call || !is_due(n)) return 0;
  return plan.error;
}

static bool fails(enum fault_call call) {
  int error = strike(call);
  if (error != 0) errno = error;
  return error != 0;
}

/* Of calls that take a length: how much of it is done, or false with the result to return. */
static bool goes_on(enum fault_call call, size_t *len, ssize_t *result) {
  int error = strike(call);
  if (error == SHORT && *len > 1) *len /= 2;
  if (error == 0 || error == SHORT) return true;
  *result = error == NOTHING ? 0 : -1;
  if (error != NOTHING) errno = error;
  return false;
}

/* ---- files ---- */

#define WRAP(result, name, ...)                                                                    \
  result real_##name(__VA_ARGS__) __asm__("__real_" #name);                                        \
  result wrap_##name(__VA_ARGS__) __asm__("__wrap_" #name);                                        \
  result wrap_##name(__VA_ARGS__)

#define SIMPLE(name, parameters, arguments)                                                        \
  int real_##name parameters __asm__("__real_" #name);                                             \
  int wrap_##name parameters __asm__("__wrap_" #name);                                             \
  int wrap_##name parameters {                                                                     \
    return fails(CALL_##name) ? -1 : real_##name arguments;                                        \
  }

SIMPLE(fsync, (int fd), (fd))
SIMPLE(ftruncate64, (int fd, off_t size), (fd, size))
SIMPLE(fallocate64, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
SIMPLE(sync_file_range, (int fd, off_t at, off_t len, unsigned flags), (fd, at, len, flags))
SIMPLE(rename, (const char *from, const char *to), (from, to))
SIMPLE(linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
       (from_fd, from, to_fd, to, flags))
SIMPLE(unlink, (const char *path), (path))
SIMPLE(stat64, (const char *path, struct stat *out), (path, out))
SIMPLE(lstat64, (const char *path, struct stat *out), (path, out))
SIMPLE(fstat64, (int fd, struct stat *out), (fd, out))
SIMPLE(statvfs64, (const char *path, struct statvfs *out), (path, out))
SIMPLE(fstatfs64, (int fd, struct statfs *out), (fd, out))
SIMPLE(flock, (int fd, int how), (fd, how))
SIMPLE(mkdir, (const char *path, mode_t mode), (path, mode))
SIMPLE(fchmod, (int fd, mode_t mode), (fd, mode))
SIMPLE(fchown, (int fd, uid_t owner, gid_t group), (fd, owner, group))

WRAP(int, open64, const char *path, int flags, mode_t mode) {
  return fails(CALL_open64) ? -1 : real_open64(path, flags, mode);
}

/* The descriptor is gone in any case. */
WRAP(int, close, int fd) {
  int rc = real_close(fd);
  return fails(CALL_close) ? -1 : rc;
}

WRAP(off_t, lseek64, int fd, off_t offset, int whence) {
  return fails(CALL_lseek64) ? -1 : real_lseek64(fd, offset, whence);
}

WRAP(FILE *, fopen64, const char *path, const char *mode) {
  return fails(CALL_fopen64) ? NULL : real_fopen64(path, mode);
}

WRAP(char *, realpath, const char *path, char *out) {
  return fails(CALL_realpath) ? NULL : real_realpath(path, out);
}

WRAP(ssize_t, readlink, const char *path, char *out, size_t len) {
  return fails(CALL_readlink) ? -1 : real_readlink(path, out, len);
}

WRAP(ssize_t, pread64, int fd, void *out, size_t len, off_t at) {
  ssize_t result;
  return goes_on(CALL_pread64, &len, &result) ? real_pread64(fd, out, len, at) : result;
}

WRAP(ssize_t, pwrite64, int fd, const void *data, size_t len, off_t at) {
  ssize_t result;
  return goes_on(CALL_pwrite64, &len, &result) ? real_pwrite64(fd, data, len, at) : result;
}

WRAP(int, ioctl, int fd, unsigned long request, long argument) {
  return fails(CALL_ioctl) ? -1 : real_ioctl(fd, request, argument);
}

/* copy_file_range() by its number. */
WRAP(long, syscall, long number, long a, long b, long c, long d, size_t len, long f) {
  ssize_t result;
  return goes_on(CALL_syscall, &len, &result) ? real_syscall(number, a, b, c, d, len, f) : result;
}

WRAP(ssize_t, read, int fd, void *out, size_t len) {
  ssize_t result;
  return goes_on(CALL_read, &len, &result) ? real_read(fd, out, len) : result;
}

WRAP(ssize_t, write, int fd, const void *data, size_t len) {
  ssize_t result;
  return goes_on(CALL_write, &len, &result) ? real_write(fd, data, len) : result;
}

/* ---- sockets and what belongs to them ---- */

SIMPLE(socket, (int family, int type, int protocol), (family, type, protocol))
SIMPLE(getsockopt, (int fd, int level, int name, void *out, socklen_t *len),
       (fd, level, name, out, len))
SIMPLE(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
       (fd, level, name, value, len))
SIMPLE(getpeername, (int fd, struct sockaddr *out, socklen_t *len), (fd, out, len))
SIMPLE(getsockname, (int fd, struct sockaddr *out, socklen_t *len), (fd, out, len))
SIMPLE(shutdown, (int fd, int how), (fd, how))
SIMPLE(poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
SIMPLE(epoll_create1, (int flags), (flags))
SIMPLE(epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event),
       (epoll, what, fd, event))
SIMPLE(epoll_wait, (int epoll, struct epoll_event *out, int count, int timeout),
       (epoll, out, count, timeout))
SIMPLE(eventfd, (unsigned value, int flags), (value, flags))

/* After a signal it goes on in the background. */
WRAP(int, connect, int fd, const struct sockaddr *to, socklen_t len) {
  int error = strike(CALL_connect);
  int rc = error == 0 || error == EINTR ? real_connect(fd, to, len) : -1;
  if (error != 0) errno = error;
  return error == 0 ? rc : -1;
}

/* What breaks a stream breaks it for both directions. Returns `result`. */
static ssize_t break_stream(int fd, ssize_t result) {
  int error = errno;
  bool breaks = result == 0 || (error != EINTR && error != EAGAIN && error != ENOBUFS);
  if (breaks) (void)real_shutdown(fd, SHUT_RDWR);
  errno = error;
  return result;
}

WRAP(ssize_t, send, int fd, const void *data, size_t len, int flags) {
  ssize_t result;
  if (goes_on(CALL_send, &len, &result)) return real_send(fd, data, len, flags);
  return break_stream(fd, result);
}

WRAP(ssize_t, recv, int fd, void *out, size_t len, int flags) {
  ssize_t result;
  if (goes_on(CALL_recv, &len, &result)) return real_recv(fd, out, len, flags);
  return break_stream(fd, result);
}

WRAP(ssize_t, getrandom, void *out, size_t len, unsigned flags) {
  ssize_t result;
  return goes_on(CALL_getrandom, &len, &result) ? real_getrandom(out, len, flags) : result;
}

WRAP(int, getaddrinfo, const char *name, const char *service, const struct addrinfo *hints,
     struct addrinfo **out) {
  int error = strike(CALL_getaddrinfo);
  if (error == 0) return real_getaddrinfo(name, service, hints, out);
  errno = error;
  if (error == ENOENT) return EAI_NONAME;
  if (error == EAGAIN) return EAI_AGAIN;
  return error == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
}

struct thread_start {
  void *(*run)(void *arg);
  void *arg;
};

void *real_malloc(size_t size) __asm__("__real_malloc");
void real_free(void *block) __asm__("__real_free");

static void *run_watched(void *arg) {
  struct thread_start start = *(struct thread_start *)arg;
  real_free(arg);
  watched = true;
  return start.run(start.arg);
}

WRAP(int, pthread_create, pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *arg),
     void *arg) {
  int error = strike(CALL_pthread_create);
  if (error != 0) return error;
  if (!is_watched()) return real_pthread_create(out, attr, run, arg);
  struct thread_start *start = real_malloc(sizeof *start);
  if (start == NULL) return EAGAIN;
  *start = (struct thread_start){run, arg};
  int rc = real_pthread_create(out, attr, run_watched, start);
  if (rc != 0) real_free(start);
  return rc;
}

/* ---- memory ---- */

static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static void *blocks[BLOCKS_MAX];
static size_t block_count;

static void *note_block(void *block) {
  if (block == NULL || !is_watched()) return block;
  pthread_mutex_lock(&blocks_lock);
  if (block_count == BLOCKS_MAX) abort();
  blocks[block_count++] = block;
  pthread_mutex_unlock(&blocks_lock);
  return block;
}

static void forget_block(const void *block) {
  if (block == NULL) return;
  pthread_mutex_lock(&blocks_lock);
  for (size_t i = block_count; i-- > 0;) { /* the last are freed first, as a rule */
    if (blocks[i] != block) continue;
    blocks[i] = blocks[--block_count];
    break;
  }
  pthread_mutex_unlock(&blocks_lock);
}

size_t inject_live_blocks(void) {
  pthread_mutex_lock(&blocks_lock);
  size_t count = block_count;
  pthread_mutex_unlock(&blocks_lock);
  return count;
}

void inject_forget_blocks(void) {
  pthread_mutex_lock(&blocks_lock);
  block_count = 0;
  pthread_mutex_unlock(&blocks_lock);
}

static bool is_out_of_memory(enum fault_call call) {
  if (!is_watched()) return false;
  unsigned n = atomic_fetch_add(&allocations, 1);
  if (plan.call != CALLS) return fails(call);
  if (!is_due(n)) return false;
  errno = ENOMEM;
  return true;
}

void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *wrap_malloc(size_t size) {
  return is_out_of_memory(CALL_malloc) ? NULL : note_block(real_malloc(size));
}

WRAP(void *, calloc, size_t count, size_t size) {
  return is_out_of_memory(CALL_calloc) ? NULL : note_block(real_calloc(count, size));
}

WRAP(void *, realloc, void *block, size_t size) {
  if (is_out_of_memory(CALL_realloc)) return NULL;
  forget_block(block); /* before another thread may get the same address */
  void *moved = real_realloc(block, size);
  note_block(moved != NULL ? moved : block);
  return moved;
}

void wrap_free(void *block) __asm__("__wrap_free");
void wrap_free(void *block) {
  forget_block(block);
  real_free(block);
}
