/**
 * @file
 * iotkit_core.h - versions, sentences of errors, TLS contexts, threads and log.
 *
 * Options structs (iotkit_*_options) belong to the caller, who zeroes them and sets what is to
 * differ from the defaults. The first member of each is `struct_size`. Patch releases of one soname
 * append members, and `sizeof(struct …)` there says which of them the program was compiled with:
 * those it does not have keep their defaults, and those that the library does not have must be 0,
 * else IK_EINVALID_ARGUMENT. 0 stands for the members of the soname's first release.
 * What the library fills or allocates (events, messages, upgrades, the sign-in) keeps its layout
 * within a soname.
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
/**
 * Whether the image itself was found to be wrong, so that another download of the same announcement
 * would end the same way and its part is discarded, not kept for the next time: IK_EDIGEST_MISMATCH,
 * IK_ESIZE_MISMATCH, IK_ESIGNATURE, IK_ESIGNATURE_MISSING. Any thread.
 */
IOTKIT_API bool iotkit_error_condemns_image(int error);

/**
 * Monotonic milliseconds; the clock of the blocking functions. Never goes back. Goes on while the
 * machine is suspended, where the system has such a clock (Linux: CLOCK_BOOTTIME).
 */
IOTKIT_API uint64_t iotkit_now_ms(void);

/**
 * Where TLS and fast digests come from: "process" (symbols already in the program, Node's for one),
 * "linked", the name of the system library that was loaded ("libssl.so.3"), or NULL if there is
 * none. It is looked for at the first use, and again at each later one until it is found: a process
 * without a free descriptor or memory has none for now. Any thread; may read files.
 */
IOTKIT_API const char *iotkit_tls_source(void);

/* ---- TLS contexts: what to trust and who we are; shared by any number of connections ---- */

/** A TLS context, counted by references; for any number of threads at a time. */
typedef struct iotkit_tls iotkit_tls_t;

/** What a signature is made of; see iotkit_tls_sign_fn. */
enum iotkit_tls_sign_scheme {
  /**
   * EC key: `data` is a digest; the signature is the DER SEQUENCE of r and s, as X9.62 has it, or r and s
   * one after the other, each as long as the curve's order, as PKCS#11 has it
   */
  IOTKIT_TLS_SIGN_ECDSA = 1,
  /** RSA key: `data` is a digest; RSASSA-PKCS1-v1_5 over it (TLS 1.2) */
  IOTKIT_TLS_SIGN_RSA_PKCS1 = 2,
  /**
   * RSA key: `data` is a block as long as the modulus, padded already (RSA-PSS, all that TLS 1.3 knows
   * for RSA, and most of TLS 1.2): its power with the private exponent alone, as PKCS#11's
   * CKM_RSA_X_509 and TPM2_RSA_Decrypt with TPM_ALG_NULL make it. As long as the modulus
   */
  IOTKIT_TLS_SIGN_RSA_RAW = 3
};
/** What a client's key is to sign. Valid during the callback only. */
struct iotkit_tls_to_sign {
  enum iotkit_tls_sign_scheme scheme; /**< decided by the key's kind and by the handshake */
  /** the digest's: 224, 256, 384 or 512, that is SHA-2; 0 with IOTKIT_TLS_SIGN_RSA_RAW */
  unsigned digest_bits;
  const uint8_t *data; /**< what the scheme says */
  size_t len;          /**< bytes of `data` */
  /**
   * what `data` is the digest of, for keys that sign nothing but messages; with IOTKIT_TLS_SIGN_RSA_RAW what
   * is signed with RSA-PSS, and any such signature with a salt as long as the digest will do. NULL: not known
   */
  const uint8_t *message;
  size_t message_len; /**< bytes of `message` */
  unsigned
      message_bits; /**< of the SHA-2 digest of `message`: 256, 384 or 512; 0: `message` is NULL */
};
/**
 * Signs for a key that is not in memory: in a TPM, a secure element or a token. Writes the signature
 * into `signature`, which has room for *signature_len bytes, and its length into *signature_len.
 * Returns 0; anything else ends the handshake with IK_ETLS_SIGNING, whose detail has the number.
 *
 * Called once in each handshake in which the server asks for a certificate, on the thread that steps
 * the connection: for a client on a loop that is the loop's, and whatever else the thread drives
 * waits until it returns. Connections on several threads may call it at the same time; no lock is
 * held. It must not call functions on the client or the job whose connection it is, and it must not
 * wait for the thread that it runs on.
 */
typedef int (*iotkit_tls_sign_fn)(void *ctx, const struct iotkit_tls_to_sign *what,
                                  uint8_t *signature, size_t *signature_len);

/** A signature that was asked for by iotkit_tls_sign_begin_fn, until the program has given it. */
typedef struct iotkit_tls_signature iotkit_tls_signature_t;
/**
 * As iotkit_tls_sign_fn, but does not make the signature: it begins to, and returns at once. Returns 0:
 * `signature` is the program's, which gives it back once, by iotkit_tls_signature_give() or
 * iotkit_tls_signature_fail(), on any thread, in this call or at any time later. Anything else ends the
 * handshake as a number of iotkit_tls_sign_fn does, and `signature` is not the program's.
 *
 * Until then the connection waits, as long as its time-out lets it, and nothing else does: the handshake
 * goes on on a thread of its own (128 KiB of stack), which ends with it, as does a descriptor. It is called
 * on that thread; it must not wait for the one that steps the connection. At most 32 handshakes of a process
 * have such a thread at once: the others wait their turn, first come, first served, while their time-outs
 * run. So no program may wait with one signature until more than that are asked for. Where not even one
 * thread can be had, or no descriptor, the handshake ends with IK_ETHREAD or IK_ENETWORK, which may pass.
 */
typedef int (*iotkit_tls_sign_begin_fn)(void *ctx, const struct iotkit_tls_to_sign *what,
                                        iotkit_tls_signature_t *signature);
/**
 * Nobody waits for `signature` any longer, because its connection was ended. It has to be given back all
 * the same, if it was not: another thread may be giving it back meanwhile, or have just done so. Which of
 * the two comes first is for a lock of the program's to say; until the return `signature` is at least good
 * as a name to look it up by. Called at most once for each that was begun, on the same thread.
 */
typedef void (*iotkit_tls_sign_cancel_fn)(void *ctx, iotkit_tls_signature_t *signature);

/** Of iotkit_tls_new(), where NULL means all defaults; none of it is needed afterwards. */
struct iotkit_tls_options {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
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
  /**
   * true: `ca`, or the system's store, is read only when the first connection needs it, on the
   * thread of that connection, which fails with IK_ETLS_CA if it cannot be read. Reading a long list
   * takes some 50 ms. A copy of `ca` is kept until then.
   */
  bool deferred;
  /**
   * signs instead of `key`, which is then NULL: the private key of `cert`, RSA or EC, may be where no
   * program can read it. Each signature is verified by `cert` before it is sent. NULL: `key` signs
   */
  iotkit_tls_sign_fn sign;
  /** of `sign` and of those below; not touched; must outlive the context and its connections */
  void *sign_ctx;
  /** the same for a key that takes its time, or that another thread has; NULL: `sign` or `key` signs */
  iotkit_tls_sign_begin_fn sign_begin;
  iotkit_tls_sign_cancel_fn sign_cancel; /**< of `sign_begin`; NULL: nobody needs to hear of it */
  /**
   * the context has ended, and with it its connections: `sign_ctx` is not needed any longer. On the thread
   * that gives the last reference back; not when iotkit_tls_new() fails. NULL: nobody needs to hear of it
   */
  void (*sign_free)(void *sign_ctx);
};

/**
 * Makes a context. TLS 1.2 is the floor; chain and host name are always verified. Errors:
 * IK_ETLS_UNAVAILABLE (also: `sign` is given, and the OpenSSL that was found has no functions for
 * it), IK_ETLS_CA, IK_ETLS_IDENTITY, IK_ENO_MEMORY, IK_ETLS (OpenSSL could not be loaded now: try
 * again); `detail` (may be NULL, else IOTKIT_DETAIL_MAX bytes) then says what is
 * wrong. The result has one reference.
 */
IOTKIT_API int iotkit_tls_new(const struct iotkit_tls_options *options, iotkit_tls_t **out,
                              char *detail);
/**
 * Of a deferred context: certificates to trust instead of those it was made with, copied. `ca_len`
 * 0: `ca` ends with NUL. Any thread. IK_EINVALID_STATE: they were read already; IK_ENO_MEMORY.
 */
IOTKIT_API int iotkit_tls_set_ca(iotkit_tls_t *tls, const char *ca, size_t ca_len);
/**
 * Holds the certificates of later connections of this context against a clock that said `time_ms`
 * (milliseconds since 1970 UTC) when iotkit_now_ms() was `at_ms`, and has gone on since, instead of
 * against the system's: for devices whose own clock may be wrong, with a reading of iotkit_time.h.
 * Never for the context of the MQTT connection that the reading came over: whoever may present an
 * expired certificate there could say what time it is. 0 and 0: the system's clock again. Any thread.
 * IK_EINVALID_ARGUMENT: `tls` is NULL.
 */
IOTKIT_API int iotkit_tls_set_time(iotkit_tls_t *tls, uint64_t time_ms, uint64_t at_ms);
/**
 * The signature that was asked for, `len` bytes, copied; `signature` is the library's again. One that is
 * not by the key ends the handshake with IK_ETLS_IDENTITY; that nobody waits for it any longer is no
 * error. Any thread. NULL is allowed.
 */
IOTKIT_API void iotkit_tls_signature_give(iotkit_tls_signature_t *signature, const void *bytes,
                                          size_t len);
/**
 * There will be none: the handshake ends with IK_ETLS_SIGNING, and its detail says `reason`, of which the
 * first 80 bytes are copied. No secrets in it. `signature` is the library's again. Any thread. NULL is
 * allowed.
 */
IOTKIT_API void iotkit_tls_signature_fail(iotkit_tls_signature_t *signature, const char *reason);
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
/**
 * Frees what the TLS library keeps for the calling thread, which makes it anew when it is needed. The
 * TLS library does so by itself when a thread ends, but a program that exits meanwhile, without
 * joining the thread, may have torn the library down by then. So it is for the end of a thread that
 * others wait for without joining it: before it says that it is done. Any thread.
 */
IOTKIT_API void iotkit_tls_thread_stop(void);

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
