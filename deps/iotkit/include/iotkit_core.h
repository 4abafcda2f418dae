/**
 * @file
 * iotkit_core.h - versions, sentences of errors, TLS contexts, threads and log.
 */
#ifndef IOTKIT_CORE_H
#define IOTKIT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iotkit_errors.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef IOTKIT_API
#if defined(__GNUC__)
#define IOTKIT_API __attribute__((visibility("default")))
#else
#define IOTKIT_API
#endif
#endif

/** The SDK's version, "0.1.0". Static storage. */
IOTKIT_API const char *iotkit_version(void);

/** "ERR_TLS" for IK_ETLS; "ERR_UNKNOWN" for a number that is not in the table. Static storage. */
IOTKIT_API const char *iotkit_error_name(int error);
/** The sentence of the table. Static storage. */
IOTKIT_API const char *iotkit_strerror(int error);
/** Whether the same call may succeed later without anything being changed. */
IOTKIT_API bool iotkit_error_retryable(int error);

/** Monotonic milliseconds; the clock of the blocking functions. Never goes back. */
IOTKIT_API uint64_t iotkit_now_ms(void);

/**
 * Where TLS and fast digests come from: "process" (symbols already in the program, Node's for one),
 * "linked", the name of the system library that was loaded ("libssl.so.3"), or NULL if there is
 * none. Found once, at the first use.
 */
IOTKIT_API const char *iotkit_tls_source(void);

/* ---- TLS contexts: what to trust and who we are; shared by any number of connections ---- */

/** A TLS context, counted by references; for any number of threads at a time. */
typedef struct iotkit_tls iotkit_tls_t;

/** Of iotkit_tls_new(), where NULL means all defaults; none of it is needed afterwards. */
struct iotkit_tls_options {
  /** PEM, one or more certificates, instead of the system's. NULL: the system's store */
  const char *ca;
  size_t ca_len;          /**< bytes of `ca`; 0: it ends with NUL */
  const char *cert;       /**< PEM, our certificate and its chain; NULL: none */
  size_t cert_len;        /**< bytes of `cert`; 0: it ends with NUL */
  const char *key;        /**< PEM, the private key of `cert` */
  size_t key_len;         /**< bytes of `key`; 0: it ends with NUL */
  const char *passphrase; /**< of `key`; NULL: not encrypted */
  /** verify the server's certificate against this name instead of the host's; NULL: the host's */
  const char *cert_name;
};

/**
 * Makes a context. TLS 1.2 is the floor; chain and host name are always verified. Errors:
 * IK_ETLS_UNAVAILABLE, IK_ETLS_CA, IK_ETLS_IDENTITY, IK_ENO_MEMORY; `detail` (may be NULL, else
 * IOTKIT_DETAIL_MAX bytes) then says what is wrong. The result has one reference.
 */
IOTKIT_API int iotkit_tls_new(const struct iotkit_tls_options *options, iotkit_tls_t **out,
                              char *detail);
/** Takes one more reference and returns `tls`; NULL is allowed. */
IOTKIT_API iotkit_tls_t *iotkit_tls_ref(iotkit_tls_t *tls);
/** Gives one reference back; NULL is allowed. */
IOTKIT_API void iotkit_tls_unref(iotkit_tls_t *tls);

/* ---- digests ---- */

/** The platform's Md5 and SHA256. None: no digest was announced. */
enum iotkit_digest_method {
  IOTKIT_DIGEST_NONE = 0,
  IOTKIT_DIGEST_MD5 = 1,
  IOTKIT_DIGEST_SHA256 = 2
};
#define IOTKIT_DIGEST_MAX 32 /**< bytes of the longest digest */

/* ---- threads ---- */

/** A joinable thread with a name (at most 15 characters, shown by top -H). iotkit_thread_join(). */
typedef struct iotkit_thread iotkit_thread_t;

/**
 * Runs `run(arg)`. `name` NULL: the program's. stack_bytes 0: the system's default. IK_ETHREAD when
 * the system refuses. All signals but those of faults are blocked in the new thread.
 */
IOTKIT_API int iotkit_thread_start(iotkit_thread_t **out, const char *name, size_t stack_bytes,
                                   void (*run)(void *arg), void *arg);
/** Waits for its end and frees it. Not from the thread itself. */
IOTKIT_API void iotkit_thread_join(iotkit_thread_t *thread);

/* ---- log ---- */

/** How much is logged: the lines of a level and of those before it. */
enum iotkit_log_level {
  IOTKIT_LOG_NONE = 0, /**< nothing: the default */
  IOTKIT_LOG_CRITICAL,
  IOTKIT_LOG_ERROR,
  IOTKIT_LOG_WARNING,
  IOTKIT_LOG_INFO,
  IOTKIT_LOG_DEBUG
};

/**
 * One sink for the process; NULL (the default) writes to stderr. Called from any thread; the text
 * has no newline, ends with NUL and never contains secrets. Returns nothing; set it before other
 * threads run.
 */
IOTKIT_API void iotkit_log_set(enum iotkit_log_level level,
                               void (*sink)(void *ctx, int level, const char *text), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
