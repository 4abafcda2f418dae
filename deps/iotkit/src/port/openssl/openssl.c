/*
 * openssl.c - finds the OpenSSL of this process: linked, exported by the program, or a library of
 * the system.
 *
 * The table is filled under pthread_once and constant afterwards. A library that was loaded is
 * never unloaded: threads of the program may be inside it until the very end.
 */
#include "openssl.h"

#include <pthread.h>
#include <string.h>

#include "../port.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct ik_openssl table;
static const char *source; /* NULL: none was found */

#if defined(IK_OPENSSL_NONE)

static void find(void) {}

#elif defined(IK_OPENSSL_LINKED)

#define DECLARE(result, name, parameters) extern result name parameters;
IK_LIBCRYPTO_MAP(DECLARE)
IK_LIBSSL_MAP(DECLARE)
#undef DECLARE

static void find(void) {
#define FILL(result, name, parameters) table.name = name;
  IK_LIBCRYPTO_MAP(FILL)
  IK_LIBSSL_MAP(FILL)
#undef FILL
  source = "linked";
}

#else

#include <dlfcn.h>

struct symbol {
  const char *name;
  size_t offset; /* in struct ik_openssl */
};

#define SYMBOL(result, name, parameters) {#name, offsetof(struct ik_openssl, name)},
static const struct symbol crypto_symbols[] = {IK_LIBCRYPTO_MAP(SYMBOL)};
static const struct symbol ssl_symbols[] = {IK_LIBSSL_MAP(SYMBOL)};
#undef SYMBOL

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* All of them, and all from one object: a set put together from two versions would crash. */
static bool fill(void *handle, const struct symbol *symbols, size_t count, struct ik_openssl *out) {
  const void *base = NULL;
  for (size_t i = 0; i < count; i++) {
    Dl_info where;
    void *address = dlsym(handle, symbols[i].name);
    if (address == NULL || dladdr(address, &where) == 0) return false;
    if (base == NULL) base = where.dli_fbase;
    if (where.dli_fbase != base) return false;
    /* An object pointer becomes a function pointer: POSIX allows it, ISO C knows no cast for it. */
    memcpy((char *)out + symbols[i].offset, &address, sizeof address);
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
  struct ik_openssl found;
  if (!fill(handle, crypto_symbols, COUNT(crypto_symbols), &found)) return false;
  if (!fill(handle, ssl_symbols, COUNT(ssl_symbols), &found)) return false;
  if (!is_usable(&found)) return false;
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

static bool load(const char *name, int flags) {
  void *handle = dlopen(name, flags);
  if (handle == NULL) return false;
  if (!take(handle)) {
    dlclose(handle);
    return false;
  }
  /* At exit it would tear itself down under threads that still use it. */
  table.OPENSSL_init_crypto(IK_OPENSSL_INIT_NO_ATEXIT, NULL);
  source = name;
  return true;
}

static void find(void) {
#if defined(__APPLE__)
  static const char *const names[] = {"libssl.3.dylib", "/opt/homebrew/lib/libssl.3.dylib",
                                      "/usr/local/lib/libssl.3.dylib", "libssl.1.1.dylib"};
#else
  static const char *const names[] = {"libssl.so.3", "libssl.so.1.1"};
#endif
  /* Not RTLD_DEFAULT, which is a null pointer on Linux and no handle at all elsewhere. */
  void *process = dlopen(NULL, RTLD_NOW);
  if (process == NULL) return;
  if (take(process)) {
    source = "process";
    return;
  }
  int flags = load_flags(process);
  for (size_t i = 0; i < COUNT(names); i++)
    if (load(names[i], flags)) return;
}

#endif

const struct ik_openssl *ik_openssl(void) {
  pthread_once(&once, find);
  return source == NULL ? NULL : &table;
}

const char *iotkit_tls_source(void) {
  pthread_once(&once, find);
  return source;
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
