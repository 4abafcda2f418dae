/*
 * openssl.c - finds the OpenSSL of this process: linked, exported by the program, or a library of
 * the system.
 *
 * The table is filled under `lock` and constant once `shown` has it. That none was found is not
 * remembered: what was in the way (no descriptor free, no memory) passes, so the next use looks
 * again. A library that was loaded is never unloaded: threads of the program may be inside it until
 * the very end.
 */
#include "port/openssl/openssl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "port/port.h"

/* Why a search found none. */
struct miss {
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ik_openssl table;
static const char *source;
static _Atomic(const struct ik_openssl *) shown; /* NULL: none so far */

#if defined(IK_OPENSSL_NONE)

static bool find(struct miss *miss) {
  miss->error = IK_ETLS_UNAVAILABLE;
  ik_detail(miss->detail, "this SDK was built without OpenSSL");
  return false;
}

#elif defined(IK_OPENSSL_LINKED)

#define DECLARE(result, name, parameters) extern result name parameters;
IK_LIBCRYPTO_MAP(DECLARE)
IK_LIBSSL_MAP(DECLARE)
IK_SIGNER_MAP(DECLARE)
#undef DECLARE

static bool find(struct miss *miss) {
  (void)miss;
#define FILL(result, name, parameters) table.name = name;
  IK_LIBCRYPTO_MAP(FILL)
  IK_LIBSSL_MAP(FILL)
  IK_SIGNER_MAP(FILL)
#undef FILL
  table.has_signer = true;
  source = "linked";
  return true;
}

#else

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#if !defined(__APPLE__)
#include <link.h>
#endif
#include <unistd.h>

/* The names in the order of the table's members, each with its end; an empty one ends them. One text
 * and no pointers, of which each would be a relocation. */
#define NAME(result, name, parameters) #name "\0"
static const char crypto_names[] = IK_LIBCRYPTO_MAP(NAME);
static const char ssl_names[] = IK_LIBSSL_MAP(NAME);
static const char signer_names[] = IK_SIGNER_MAP(NAME);
#undef NAME

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The loaded object that holds an address. */
struct object {
  uintptr_t address;
  uintptr_t first; /* both 0: not found */
  uintptr_t end;
};

#if defined(__APPLE__)

static bool is_in(struct object *object, const void *address) {
  Dl_info where;
  if (dladdr(address, &where) == 0) return false;
  if (object->first == 0) object->first = (uintptr_t)where.dli_fbase;
  return object->first == (uintptr_t)where.dli_fbase;
}

#else

static int look_at(struct dl_phdr_info *info, size_t size, void *ctx) {
  struct object *object = ctx;
  uintptr_t first = UINTPTR_MAX;
  uintptr_t end = 0;
  (void)size;
  for (size_t i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (begin < first) first = begin;
    if (begin + info->dlpi_phdr[i].p_memsz > end) end = begin + info->dlpi_phdr[i].p_memsz;
  }
  if (object->address < first || object->address >= end) return 0;
  object->first = first;
  object->end = end;
  return 1;
}

/* Not by dladdr(), which also looks for the name: in a program with as many symbols as Node.js has
 * that takes a millisecond each time. */
static bool is_in(struct object *object, const void *address) {
  if (object->end == 0) {
    object->address = (uintptr_t)address;
    dl_iterate_phdr(look_at, object);
  }
  return (uintptr_t)address >= object->first && (uintptr_t)address < object->end;
}

#endif

/* All of them, and all from one object: a set put together from two versions would crash. */
static bool fill(void *handle, const char *names, char **member) {
  struct object object = {0};
  for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
    void *address = dlsym(handle, name);
    if (address == NULL || !is_in(&object, address)) return false;
    /* An object pointer becomes a function pointer: POSIX allows it, ISO C knows no cast for it. */
    memcpy(*member, &address, sizeof address);
    *member += sizeof address;
  }
  return true;
}

/* OpenSSL itself, 1.1.1 or later. Its relatives answer to some of the names, but not with the same
 * structures. */
static bool is_usable(const struct ik_openssl *found) {
  static const char name[] = "OpenSSL ";
  const char *version = found->OpenSSL_version(IK_OPENSSL_VERSION);
  if (version == NULL || strncmp(version, name, sizeof name - 1) != 0) return false;
  return found->OpenSSL_version_num() >= 0x10101000ul;
}

static bool take(void *handle) {
  struct ik_openssl found = {0};
  char *member = (char *)&found;
  if (!fill(handle, crypto_names, &member) || !fill(handle, ssl_names, &member)) return false;
  if (!is_usable(&found)) return false;
  found.has_signer = fill(handle, signer_names, &member);
  table = found;
  return true;
}

/* Names that a relative of OpenSSL exports from the program must not be what the system's library
 * calls. */
static int load_flags(void *process) {
  int flags = RTLD_NOW | RTLD_LOCAL;
#if defined(RTLD_DEEPBIND)
  if (dlsym(process, "SSL_CTX_new") != NULL || dlsym(process, "EVP_DigestInit_ex") != NULL)
    flags |= RTLD_DEEPBIND;
#else
  (void)process;
#endif
  return flags;
}

static bool passes(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Whether what stopped the last dlopen() will pass. That is not said to leave errno alone. */
static bool will_pass(int error) {
  if (passes(error)) return true;
  int fd = open("/", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return passes(errno);
  close(fd);
  return false;
}

static void note_miss(struct miss *miss, int error) {
  bool again = will_pass(error);
  const char *reason = dlerror(); /* NOLINT(concurrency-mt-unsafe): of this thread alone */
  if (reason == NULL) reason = "it cannot be loaded";
  if (!again || miss->error == IK_ETLS) return;
  miss->error = IK_ETLS;
  ik_detail(miss->detail, "OpenSSL could not be loaded: %s", reason);
}

static bool load(const char *name, int flags, struct miss *miss) {
  errno = 0;
  void *handle = dlopen(name, flags);
  if (handle == NULL) {
    note_miss(miss, errno);
    return false;
  }
  if (!take(handle)) {
    dlclose(handle);
    return false;
  }
  /* At exit it would tear itself down under threads that still use it. */
  if (table.OPENSSL_init_crypto(IK_OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    miss->error = IK_ETLS;
    ik_detail(miss->detail, "%s could not be initialized", name);
    return false;
  }
  source = name;
  return true;
}

static bool find(struct miss *miss) {
#if defined(__APPLE__)
  static const char *const names[] = {"libssl.3.dylib", "/opt/homebrew/lib/libssl.3.dylib",
                                      "/usr/local/lib/libssl.3.dylib", "libssl.1.1.dylib"};
#else
  static const char *const names[] = {"libssl.so.3", "libssl.so.1.1"};
#endif
  miss->error = IK_ETLS_UNAVAILABLE;
  ik_detail(miss->detail,
            "neither this program nor the system has OpenSSL 1.1.1 or later (libssl.so.3)");
  /* Not RTLD_DEFAULT, which is a null pointer on Linux and no handle at all elsewhere. */
  errno = 0;
  void *process = dlopen(NULL, RTLD_NOW);
  if (process == NULL) {
    note_miss(miss, errno);
    return false;
  }
  if (take(process)) {
    source = "process";
    return true;
  }
  int flags = load_flags(process);
  for (size_t i = 0; i < COUNT(names); i++)
    if (load(names[i], flags, miss)) return true;
  return false;
}

#endif

int ik_openssl_need(const struct ik_openssl **out, char *detail) {
  struct miss miss = {0};
  *out = atomic_load_explicit(&shown, memory_order_acquire);
  if (*out != NULL) return 0;
  pthread_mutex_lock(&lock);
  *out = atomic_load_explicit(&shown, memory_order_relaxed);
  if (*out == NULL && find(&miss)) {
    /* Its configuration now, for then it reads the environment in the thread that comes first. */
    if (strcmp(source, "process") != 0)
      (void)table.OPENSSL_init_crypto(IK_OPENSSL_INIT_LOAD_CONFIG, NULL);
    *out = &table;
    atomic_store_explicit(&shown, &table, memory_order_release);
  }
  pthread_mutex_unlock(&lock);
  if (*out != NULL) return 0;
  return ik_refuse(detail, miss.error, "%s", miss.detail);
}

const struct ik_openssl *ik_openssl(void) {
  const struct ik_openssl *openssl;
  return ik_openssl_need(&openssl, NULL) == 0 ? openssl : NULL;
}

const char *iotkit_tls_source(void) {
  return ik_openssl() == NULL ? NULL : source;
}

/* Does not look for OpenSSL: a thread for which it was not found has nothing of it. */
void iotkit_tls_thread_stop(void) {
  const struct ik_openssl *openssl = atomic_load_explicit(&shown, memory_order_acquire);
  if (openssl != NULL) openssl->OPENSSL_thread_stop();
}

/* ---- codes of the error queue ---- */

static bool is_3_or_later(const struct ik_openssl *o) {
  return o->OpenSSL_version_num() >= 0x30000000ul;
}

unsigned ik_openssl_error_lib(const struct ik_openssl *o, unsigned long error) {
  return (unsigned)(error >> (is_3_or_later(o) ? 23 : 24)) & 0xFF;
}

unsigned ik_openssl_error_reason(const struct ik_openssl *o, unsigned long error) {
  return (unsigned)(error & (is_3_or_later(o) ? 0x7FFFFF : 0xFFF));
}

const char *ik_openssl_error_text(const struct ik_openssl *o, unsigned long error) {
  const char *text = error == 0 ? NULL : o->ERR_reason_error_string(error);
  return text == NULL ? "unknown reason" : text;
}
