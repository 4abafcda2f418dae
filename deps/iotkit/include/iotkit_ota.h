/**
 * @file
 * iotkit_ota.h - a device's OTA channel on an MQTT client, and the upgrades that arrive on it.
 *
 * A channel (iotkit_ota_t) is one device or sub-device: it subscribes the platform's topics, sends
 * reports and turns each notice into a job (iotkit_job_t). A job is one upgrade: what is announced,
 * and the download of it. A job owns all it needs, outlives its channel and its client, and is
 * fetched on any one thread, independent of the MQTT connection; but for an image that is announced
 * in MQTT blocks, which ends with its channel (IK_ECLOSED). Protocol: Alibaba Cloud IoT Platform,
 * documents 89307 (topics and payloads) and 85700 (flow).
 */
#ifndef IOTKIT_OTA_H
#define IOTKIT_OTA_H

#include "iotkit_limiter.h"
#include "iotkit_mqtt.h"
#include "iotkit_verify.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sign-in ---- */

/** The HMAC that makes the password, keyed with the device secret; named in the client id. */
enum iotkit_sign_method {
  IOTKIT_SIGN_HMACSHA256 = 0,
  IOTKIT_SIGN_HMACSHA1 = 1,
  IOTKIT_SIGN_HMACMD5 = 2
};

/**
 * A device's identity, of which iotkit_sign() keeps nothing: a secret, a token of a registration
 * (iotkit_register.h), or a certificate.
 */
struct iotkit_sign_options {
  size_t struct_size;        /**< sizeof of this struct, or 0: see iotkit_core.h */
  const char *product_key;   /**< 1-20 characters; with `x509` NULL if it is not known yet */
  const char *device_name;   /**< 1-32 characters; likewise, both or none */
  const char *device_secret; /**< 1-64 characters; NULL with `device_token` and `x509` */
  /**
   * base id, 1-64 characters; NULL: "{product_key}.{device_name}". With `device_token` needed: the one
   * that the platform gave, 1-128 characters
   */
  const char *client_id;
  enum iotkit_sign_method method; /**< HMAC-SHA256 by default */
  bool tls;                       /**< securemode 2, else 3 */
  uint64_t timestamp;             /**< milliseconds; 0: none is sent nor signed */
  /**
   * of a device that was registered as UNKNOWN, 1-256 characters: it is the password itself; needs
   * `tls`. NULL: none
   */
  const char *device_token;
  /**
   * The client certificate of the connection's TLS context is the identity; needs `tls`. The password
   * is empty. Without the names the platform tells them: iotkit_identity_read().
   */
  bool x509;
  /**
   * `ext` of the client id, which is not signed; 0: none is sent. 1: the platform may call the device on
   * topics of its own (`/ext/rrpc/{id}{topic}`, document "RRPC"); at most 65535
   */
  uint16_t ext;
};

#define IOTKIT_DEVICE_TOKEN_MAX 256 /**< characters of the longest device token */
#define IOTKIT_REGISTERED_ID_MAX                                                                   \
  128 /**< characters of the longest client id that the platform gives */

/** What CONNECT carries, each text ending with NUL. Who has it can sign in as the device. */
struct iotkit_sign_in {
  /** "{base id}|securemode=…,signmethod=…[,timestamp=…][,ext=…]|", "{client id}|authType=connwl,…|" */
  char client_id[256];
  char username[64];                          /**< "{device_name}&{product_key}" */
  char password[IOTKIT_DEVICE_TOKEN_MAX + 1]; /**< lower-case hex, the token, or "" (x509) */
};

/**
 * The MQTT sign-in of documents 73742 and 140588 (x509). Errors: IK_EINVALID_ARGUMENT, IK_ETOO_LONG,
 * IK_ETLS_REQUIRED (a token or a certificate without `tls`); `detail` names the field.
 */
IOTKIT_API int iotkit_sign(const struct iotkit_sign_options *options, struct iotkit_sign_in *out,
                           char *detail);

/* ---- jobs ---- */

/** Counted by references; the last iotkit_job_unref() frees it. */
typedef struct iotkit_job iotkit_job_t;

#define IOTKIT_REDIRECTS_NONE 255 /**< as max_redirects: a redirect ends the fetch */
#define IOTKIT_FILES_MAX 20       /**< files of one upgrade (document 202666) */

/** One file of an upgrade that has several. Lives as long as the job. */
struct iotkit_upgrade_file {
  /**
   * one path component of at most 242 bytes, unique in the upgrade; never "." or "..", nor what the
   * SDK's own files beside it are named: *.part, *.journal, .iotkit-commit
   */
  const char *name;
  const char *url;                         /**< not to be logged */
  uint64_t size;                           /**< bytes */
  enum iotkit_digest_method digest_method; /**< MD5 where the notice names none */
  uint8_t digest[IOTKIT_DIGEST_MAX];       /**< 16 bytes (MD5) or 32 (SHA-256) */
};

/** What the bytes come over. */
enum iotkit_protocol {
  IOTKIT_PROTOCOL_HTTP = 0, /**< http or https, as the URL says */
  IOTKIT_PROTOCOL_MQTT = 1  /**< blocks asked for on the device's MQTT connection; at most 16 MB */
};

/** One announced upgrade. Strings end with NUL and live as long as the job; absent ones are "". */
struct iotkit_upgrade {
  const char *id;      /**< of the notice */
  const char *module;  /**< "" is the default module, which may be called "default", too */
  const char *version; /**< the target */
  /** of the image; http or https, often signed: not to be logged. "" over MQTT and with files */
  const char *url;
  uint64_t size;                           /**< bytes; of all files together */
  enum iotkit_digest_method digest_method; /**< MD5 where the notice names none; NONE with files */
  uint8_t digest[IOTKIT_DIGEST_MAX];       /**< 16 bytes (MD5) or 32 (SHA-256) */
  const char *digest_sign; /**< base64 signature over the digest, as it was announced; or "" */
  bool is_diff;            /**< the image is a difference, to be applied to the running version */
  const char *ext_data;    /**< JSON object text, or "" */
  /** base64 signature over the statement, the member "iotkit.statement.v1" of extData, or "" */
  const char *statement_sign;
  enum iotkit_protocol protocol;           /**< what the bytes come over */
  uint64_t stream_id;                      /**< over MQTT: which image */
  uint64_t stream_file_id;                 /**< and which file of it */
  const struct iotkit_upgrade_file *files; /**< NULL: the upgrade is one image */
  size_t file_count;                       /**< 0, or 1 to IOTKIT_FILES_MAX */
};

/**
 * How a job fetches its image. In MQTT blocks a try is a round of requests of which none brought a
 * block, max_tries counts the blocks that were asked for again, no low-speed limit applies (every
 * block is progress), and what is about connections, redirects, hosts and proxies has no meaning.
 */
struct iotkit_fetch_options {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
  /** for https; NULL: made with the system's CA store when first needed */
  iotkit_tls_t *tls;
  uint32_t connect_timeout_ms;  /**< resolve + TCP + TLS; 0: 10,000 */
  uint32_t response_timeout_ms; /**< request sent → head complete; 0: 30,000 */
  /** no byte of the body for this long drops the connection; 0: 30,000 */
  uint32_t idle_timeout_ms;
  /**
   * below so many bytes per second over low_speed_ms the try has failed: its connection is dropped,
   * another try follows, what has arrived stays; 0: 100; UINT32_MAX: however slow
   */
  uint32_t low_speed_bytes;
  uint32_t low_speed_ms; /**< 0: 60,000 */
  /**
   * failed tries in a row that together brought less than 64 KiB of new bytes, whatever patience_ms
   * says; 0 and UINT32_MAX: any number
   */
  uint32_t max_retries;
  /** first back-off; 0: 500; doubled each time, full jitter, Retry-After honoured */
  uint32_t retry_min_ms;
  uint32_t retry_max_ms; /**< 0: 30,000 */
  uint8_t max_redirects; /**< 0: 5; IOTKIT_REDIRECTS_NONE: none is followed */
  bool https_only;       /**< refuse http, at first and by redirect */
  /** the caller feeds iotkit_job_digest() itself, on a thread of its own */
  bool external_digest;
  uint32_t max_tries; /**< failed tries in all; 0: 1,000; UINT32_MAX: any number */
  /** for the whole fetch, waits included but not pauses, then IK_ETIMEOUT; 0: none */
  uint32_t total_timeout_ms;
  /**
   * when the server says that the signed URL has expired: how long the platform is asked for
   * another one; UINT32_MAX: not at all; 0: 60,000, and not at all by a job without a channel. A
   * new URL that is refused without progress counts as a failed try.
   */
  uint32_t renew_timeout_ms;
  /**
   * ranges of the image that are fetched side by side, where the server honours ranges; 0 and 1:
   * one after another; at most IOTKIT_CONNECTIONS_MAX. Costs 1 MiB of memory each.
   */
  uint32_t connections;
  /**
   * more request header fields, "Name: value\r\n" each; NULL: none. Sent only to the
   * scheme, host and port announced first, never elsewhere by a redirect or a renewed URL. Copied;
   * may be secrets.
   */
  const char *headers;
  /**
   * "http://[user:password@]host[:port]" for http and for https URLs, port 80 by default; "": no
   * proxy; NULL, and https_proxy too: what the environment says when the options are set
   * (http_proxy; https_proxy, HTTPS_PROXY; all_proxy, ALL_PROXY). One of these variables may be
   * given, too, as "NAME=value": a variable that is unusable fails the download that needs it, and
   * by its name, where an option is refused at once. Copied; may hold a secret.
   */
  const char *proxy;
  const char *https_proxy; /**< for https URLs another one, or ""; NULL: `proxy` */
  /** hosts that are reached without it: "*" or a list as in NO_PROXY; NULL: the environment's */
  const char *no_proxy;
  /** "host,*.domain,…": other hosts, redirects included, are IK_EHOST_NOT_ALLOWED; NULL: any */
  const char *allowed_hosts;
  iotkit_limiter_t *limiters[2]; /**< speed limits the fetch keeps to; NULL: none. Referenced */
  /**
   * keys that every signature is verified with, the notice's digestsign and statement and the user's
   * own, before the first byte is fetched; NULL: none is. With keys an image that has no signature
   * is refused (IK_ESIGNATURE_MISSING), unless `allow_unsigned`. Of several files the notice signs
   * none, so that each wants a signature of the user's own. Referenced
   */
  iotkit_keys_t *keys;
  /** what `keys` say by themselves: needs them, and is refused beside `allow_unsigned` */
  bool require_signature;
  /** take also, with keys, what has no signature at all; one that is there must still be right */
  bool allow_unsigned;
  /**
   * refuse what has no signed statement (IK_ESIGNATURE_MISSING), the one form that binds version,
   * module and product as well; needs `keys` and `product_key`
   */
  bool require_statement;
  /**
   * of the device, which statements must name: 1-20 printable ASCII characters; NULL: a channel's
   * jobs take the channel's, others have none and leave a notice's statement unread. Copied
   */
  const char *product_key;
  /**
   * the first try that fails after so long without progress is the last; 0: 600,000; UINT32_MAX:
   * any time. A new byte is progress, unless all tries together, waits included, are below
   * low_speed_bytes. Pauses do not count, nor does the time between two calls. Before, tries follow
   * each other with the back-off of retry_min_ms and retry_max_ms, which a new byte begins anew.
   */
  uint32_t patience_ms;
  /**
   * bytes that an upgrade, all its files together, may have at most: IK_ENO_SPACE before its first
   * byte is fetched, and before iotkit_image_open() makes a file; 0: any number. What a file system
   * has room for is iotkit_file_open()'s to check.
   */
  uint64_t max_size;
  uint64_t reserved[8]; /**< 0: room for members to come, since others hold this struct by value */
};

#define IOTKIT_CONNECTIONS_MAX 8 /**< ranges of one image side by side */

/** How far a job has come, and what may follow. */
enum iotkit_job_state {
  IOTKIT_JOB_READY = 0, /**< announced                        → FETCHING, FAILED */
  IOTKIT_JOB_FETCHING,  /**< bytes come                       → FETCHED, FAILED */
  IOTKIT_JOB_FETCHED,   /**< every byte was handed out; final  → READY by rewind */
  IOTKIT_JOB_FAILED     /**< iotkit_job_error() says why; final */
};

/**
 * Makes a job from a notice's JSON (upgrade or get_reply), as the channel does; for tests and other
 * transports.
 */
IOTKIT_API int iotkit_job_parse(const char *json, size_t len,
                                const struct iotkit_fetch_options *options, iotkit_job_t **out,
                                char *detail);
/**
 * Makes a READY job of the same notice with the same options and signature, whatever state `job` is
 * in and whatever other threads do with it.
 */
IOTKIT_API int iotkit_job_dup(const iotkit_job_t *job, iotkit_job_t **out);
/** Takes one more reference and returns `job`; NULL is allowed. */
IOTKIT_API iotkit_job_t *iotkit_job_ref(iotkit_job_t *job);
/** The last reference closes its connection. NULL is allowed. */
IOTKIT_API void iotkit_job_unref(iotkit_job_t *job);
/**
 * Makes a READY job for one file of an upgrade with several: its upgrade has that file's URL, size
 * and digest and no files. IK_EINVALID_ARGUMENT: there is no such file.
 */
IOTKIT_API int iotkit_job_open_file(const iotkit_job_t *job, size_t index, iotkit_job_t **out);
/** What was announced; the job's own, never changing. NULL for NULL. */
IOTKIT_API const struct iotkit_upgrade *iotkit_job_upgrade(const iotkit_job_t *job);
/** The state at this moment; another thread may be changing it. FAILED for NULL. */
IOTKIT_API enum iotkit_job_state iotkit_job_get_state(const iotkit_job_t *job);
/**
 * The error that ended it, 0: none; `detail` (may be NULL, else IOTKIT_DETAIL_MAX bytes) names
 * what.
 */
IOTKIT_API int iotkit_job_error(const iotkit_job_t *job, char *detail);
/** Bytes of the image handed out so far. */
IOTKIT_API uint64_t iotkit_job_received(const iotkit_job_t *job);

/**
 * The image goes on behind `offset` bytes that the caller holds and has given to
 * iotkit_job_digest() in order (allowed before the first fetch, whatever external_digest says).
 * Before the first fetch, else IK_EINVALID_STATE; IK_EINVALID_ARGUMENT: not the bytes digested so
 * far, or more than the image has. See iotkit_file_resume(), which does all of it.
 */
IOTKIT_API int iotkit_job_resume(iotkit_job_t *job, uint64_t offset);
/**
 * Makes a FETCHED job READY for another fetch from byte 0: for an image whose check failed though
 * only its end was fetched. IK_EINVALID_STATE otherwise.
 */
IOTKIT_API int iotkit_job_rewind(iotkit_job_t *job);
/**
 * Suspends or continues the fetch: while paused, iotkit_job_fetch() hands out nothing, reads
 * nothing and no time-out of the download runs. The connection stays as long as the server lets
 * it. Any thread.
 */
IOTKIT_API void iotkit_job_pause(iotkit_job_t *job, bool paused);
/** Whether the fetch waits for another URL, because the server refused the one it has as expired. */
IOTKIT_API bool iotkit_job_wants_url(const iotkit_job_t *job);
/**
 * Gives it one, from a notice (JSON) for the same image: size and digest must be those of the job,
 * else IK_EINVALID_ARGUMENT. A job of a channel asks and gets it by itself. Any thread.
 */
IOTKIT_API int iotkit_job_renew(iotkit_job_t *job, const char *json, size_t len, char *detail);
/** What a signature of the user's own was made over. */
enum iotkit_signed {
  IOTKIT_SIGNED_DIGEST = 0, /**< the message is the raw announced digest, 16 or 32 bytes */
  IOTKIT_SIGNED_IMAGE = 1,  /**< the message is the image: `openssl dgst -sha256 -sign` */
  /** the message is the statement, iotkit_job_statement(): version, module and product are bound */
  IOTKIT_SIGNED_STATEMENT = 2
};
#define IOTKIT_STATEMENT_MAX 1024 /**< bytes of the longest statement, its NUL included */
/**
 * Writes the statement of the job's image, which names product, module, version, kind, size and
 * digest, into `out` (IOTKIT_STATEMENT_MAX bytes), ending with NUL. docs/download.md has its
 * grammar. Returns its length; IK_EINVALID_ARGUMENT: the options have no product_key;
 * IK_EUNSUPPORTED: there are several files, each of which has its own (iotkit_job_open_file()).
 * Before the first fetch or on the fetching thread.
 */
IOTKIT_API int iotkit_job_statement(const iotkit_job_t *job, char *out);
/**
 * A signature of the user's own, besides the notice's: both are verified with the options' keys
 * before the first byte is fetched, and the digest then binds the bytes. Copied. Before the first
 * fetch, else IK_EINVALID_STATE; IK_EUNSUPPORTED: over the image, of which no SHA-256 digest was
 * announced (Ed25519 keys never fit such a signature), or there are several files, each of which
 * wants its own (iotkit_job_open_file()); IK_ETOO_LONG: above 1,024 bytes.
 */
IOTKIT_API int iotkit_job_set_signature(iotkit_job_t *job, enum iotkit_signed what,
                                        const void *signature, size_t len);

/** A try has failed, and another follows by itself. */
struct iotkit_retry {
  uint32_t attempt;   /**< the failed tries since the last new byte, this one included */
  int error;          /**< why it failed, IK_E… */
  const char *detail; /**< names what; valid during the callback */
  uint64_t delay_ms;  /**< until the next try */
};

/** Hears of a failed try: see iotkit_job_on_retry(). */
typedef void (*iotkit_retry_fn)(void *ctx, const struct iotkit_retry *retry);

/**
 * Has the program told that the download is retrying, each time it begins to wait. Called on the
 * fetching thread, inside iotkit_job_fetch(), with no lock held: it may abort, interrupt and pause
 * the job. Not inherited by iotkit_job_dup() and iotkit_job_open_file(). Before the first fetch,
 * else IK_EINVALID_STATE. NULL: nobody is told.
 */
IOTKIT_API int iotkit_job_on_retry(iotkit_job_t *job, iotkit_retry_fn on_retry, void *ctx);

/**
 * Options for the fetch, before the first one. A reference to `tls` is taken. IK_EINVALID_STATE
 * later, which does not disturb the fetch of another thread.
 */
IOTKIT_API int iotkit_job_set_options(iotkit_job_t *job,
                                      const struct iotkit_fetch_options *options);

/**
 * Receives the next bytes of the image straight into `buf`. Blocks until `buf` is full, the image
 * is complete or `timeout_ms` has passed, whichever is first; reconnecting and resuming go on
 * inside, within the retry policy. Returns the number of bytes (their place in the image is
 * *offset; in order and without gaps, but after the server offered another image at the same URL it
 * begins again at 0), or 0: nothing yet, or complete (see the state); or a permanent error, after
 * which the job is FAILED; or IK_EINTERRUPTED, IK_EABORTED, IK_EBUSY (two threads at once), or that
 * there is no descriptor or memory to wait with (IK_ENETWORK, IK_ENO_MEMORY; see the state). Only
 * bytes within the announced size are handed out.
 *
 * An image in MQTT blocks needs its client stepped meanwhile. Whoever steps goes on: a loop, or a
 * thread of the program. But where the client is used through iotkit_mqtt_yield(), the fetch does it
 * while no other thread yields, so that callbacks run inside. IK_EIN_CALLBACK inside a callback of
 * that client.
 */
IOTKIT_API int64_t iotkit_job_fetch(iotkit_job_t *job, void *buf, size_t len, uint32_t timeout_ms,
                                    uint64_t *offset);
/**
 * Ends a running or the next fetch with IK_EINTERRUPTED; of several files that are saved, the fetch of
 * the one whose turn it is. Any thread.
 */
IOTKIT_API void iotkit_job_interrupt(iotkit_job_t *job);
/**
 * Ends the job: FAILED with IK_EABORTED, a running fetch returns. Any thread. No effect on a job
 * that has ended.
 */
IOTKIT_API void iotkit_job_abort(iotkit_job_t *job);

/**
 * With external_digest: takes the bytes in the order in which they were handed out, offset included
 * (0 begins again). One thread at a time, which may be another than the fetching one.
 * IK_EINVALID_ARGUMENT when `offset` leaves a gap.
 */
IOTKIT_API int iotkit_job_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len);
/**
 * The digest of what was digested so far and how many bytes that is: a place to resume from.
 * Returns its length, 16 or 32. On the thread that digests.
 */
IOTKIT_API int iotkit_job_digest_so_far(iotkit_job_t *job, uint64_t *offset,
                                        uint8_t digest[IOTKIT_DIGEST_MAX]);
/**
 * Whether the image is the announced one: 0, IK_EDIGEST_MISMATCH, IK_ESIZE_MISMATCH,
 * IK_EINVALID_STATE before FETCHED. May be asked any number of times.
 */
IOTKIT_API int iotkit_job_check(iotkit_job_t *job);
/**
 * Two jobs with equal keys want the same image by rules that let one have what the other fetches. With
 * a SHA-256 digest that is one of the same digest and size. Images can be made to have the same MD5
 * value, so with MD5 it also takes the same address without its query, the same TLS context and
 * keys (the objects), https_only, allowed_hosts and product key. Jobs with different limiters that
 * limit something now have different keys. Keys mean nothing outside the process. IK_EUNSUPPORTED:
 * several files (iotkit_job_open_file()), or no digest; the errors of an invalid URL.
 */
IOTKIT_API int iotkit_job_share_key(const iotkit_job_t *job, uint8_t key[IOTKIT_DIGEST_MAX]);

/* ---- channels ---- */

/** Borrows its client; freed by iotkit_ota_free(), which its jobs survive. */
typedef struct iotkit_ota iotkit_ota_t;

/** Of iotkit_ota_new(). Callbacks that are NULL are not called. */
struct iotkit_ota_options {
  size_t struct_size;                /**< sizeof of this struct, or 0: see iotkit_core.h */
  const char *product_key;           /**< of the device or sub-device; copied */
  const char *device_name;           /**< likewise */
  struct iotkit_fetch_options fetch; /**< for its jobs */
  /**
   * A valid notice arrived. The callee owns the job's reference. On the thread that steps the
   * client.
   */
  void (*on_upgrade)(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job);
  /**
   * A notice was refused and, but for IK_ENOTICE_CODE, reported to the platform as step -1.
   * `detail` names what is wrong; `request_id` is that of the request it answers, "" for a push.
   * Both valid during the callback.
   */
  void (*on_refused)(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                     const char *request_id);
  /** The platform answered a request that there is nothing to do (module "" is the default one). */
  void (*on_nothing)(void *ctx, iotkit_ota_t *ota, const char *request_id);
  void *ctx; /**< of the callbacks; not touched */
};

/**
 * Subscribes the topics; returns at once. The client must outlive the channel. `detail` may be
 * NULL. Over an MQTT client of the program's own: iotkit_ota_new_over() (iotkit_over.h).
 */
IOTKIT_API int iotkit_ota_new(iotkit_mqtt_t *client, const struct iotkit_ota_options *options,
                              iotkit_ota_t **out, char *detail);
/**
 * Unsubscribes; afterwards no callback runs. Not inside a callback of the same channel:
 * IK_EIN_CALLBACK; nor while another thread is in a call with it. NULL is allowed.
 */
IOTKIT_API int iotkit_ota_free(iotkit_ota_t *ota);

/**
 * Version 1-64 characters of letters, digits, '.', '-', '_'; module the same or NULL. QoS 1:
 * returns its packet id.
 */
IOTKIT_API int iotkit_ota_report_version(iotkit_ota_t *ota, const char *version,
                                         const char *module);
/** step 0-100 percent, or -1 … -4; desc ≤ 1024 bytes or NULL; module or NULL. QoS 0: returns 0. */
IOTKIT_API int iotkit_ota_report_progress(iotkit_ota_t *ota, int step, const char *desc,
                                          const char *module);
/**
 * Asks whether there is an upgrade for the module (thing/ota/firmware/get, QoS 0); on_upgrade or
 * on_nothing follows. `request_id` (may be NULL, else 16 bytes) gets the id that the reply will
 * carry.
 */
IOTKIT_API int iotkit_ota_request(iotkit_ota_t *ota, const char *module, char *request_id);

#ifdef __cplusplus
}
#endif
#endif
