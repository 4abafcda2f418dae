/**
 * @file
 * iotkit_register.h - how a device without credentials of its own gets them: dynamic registration
 * over MQTT (documents 132111 and 148805), and the names of a device that has an X.509 certificate
 * (document 140588).
 *
 * A registration is one short connection over TLS: it signs in with the secret of the product, or
 * with the certificate of the TLS context, waits for the platform's answer, and disconnects. It never
 * connects again by itself; devices may connect 5 times a minute.
 *
 * Two faces, as iotkit_mqtt.h has them. Blocking: iotkit_register() or iotkit_registration_wait().
 * Readiness: iotkit_registration_step(). One thread at a time drives a registration.
 *
 * States: under way (IK_EAGAIN) → ended, with credentials (0) or an error; final.
 */
#ifndef IOTKIT_REGISTER_H
#define IOTKIT_REGISTER_H

#include "iotkit_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the device has, and so what it asks for. */
enum iotkit_register_kind {
  /** the platform knows product and device name; the answer is a device secret */
  IOTKIT_REGISTER_KNOWN = 0,
  /**
   * The platform knows the product alone; the answer is a client id and a device token. It does so in
   * cn-shanghai only.
   */
  IOTKIT_REGISTER_UNKNOWN = 1,
  /** the TLS context has the device's certificate; the answer is product key and device name */
  IOTKIT_REGISTER_X509 = 2
};

/** Of iotkit_registration_new(), which copies what it needs. */
struct iotkit_register_options {
  size_t struct_size;             /**< sizeof of this struct, or 0: see iotkit_core.h */
  enum iotkit_register_kind kind; /**< what it has and asks for; KNOWN by default */
  const char *host;               /**< name or address (IPv6 without brackets) */
  uint16_t port;                  /**< 1 to 65535 */
  iotkit_tls_t *tls;              /**< needed: IK_ETLS_REQUIRED; a reference is taken */
  const char *product_key;        /**< 1-20 characters; NULL with X509 */
  const char *product_secret;     /**< 1-64 characters; NULL with X509; never logged */
  const char *device_name;        /**< 1-32 characters; NULL with X509 */
  /** base id of the connection, 1-64 characters; NULL: "{product_key}.{device_name}" */
  const char *client_id;
  /** of an Enterprise or new public instance, 1-64 characters, with UNKNOWN only; NULL: none */
  const char *instance_id;
  enum iotkit_sign_method method; /**< HMAC-SHA256 by default */
  uint32_t connect_timeout_ms;    /**< resolve + TCP + TLS + CONNACK; 0: 30,000 */
  /** from CONNACK to the answer; 0: 10,000. The platform closes the connection after 15 s. */
  uint32_t answer_timeout_ms;
  /**
   * A file that keeps the credentials, not with X509: if it has those of the device, they are the
   * result and nothing is connected; else it is made (mode 0600, whole or not at all). Of several
   * processes at once one registers, and the others get what it has kept; they wait for it as long as
   * both time-outs together. NULL: none. The step that finds or makes it blocks as long as the disk.
   */
  const char *credentials_file;
};

/** What a registration brings; texts end with NUL, what does not belong to the kind is "". */
struct iotkit_credentials {
  char product_key[21];   /**< of every kind */
  char device_name[33];   /**< of every kind */
  char device_secret[65]; /**< of KNOWN; for iotkit_sign() */
  /** of UNKNOWN; with the token for iotkit_sign() */
  char client_id[IOTKIT_REGISTERED_ID_MAX + 1];
  /** of UNKNOWN; the password of a sign-in */
  char device_token[IOTKIT_DEVICE_TOKEN_MAX + 1];
};

/** One registration. */
typedef struct iotkit_registration iotkit_registration_t;

/**
 * Checks the options and makes a registration, which connects with the first step or wait. Errors:
 * IK_EINVALID_ARGUMENT, IK_ETOO_LONG, IK_ETLS_REQUIRED, IK_ENO_MEMORY; IK_EMQTT_IN_USE: a client of
 * this process is the same device at this host and port; `detail` (may be NULL) names the option,
 * never a value.
 */
IOTKIT_API int iotkit_registration_new(const struct iotkit_register_options *options,
                                       iotkit_registration_t **out, char *detail);
/**
 * Closes the connection if it is still open, wipes the credentials and frees. Not while another
 * thread drives it. NULL is allowed.
 */
IOTKIT_API void iotkit_registration_free(iotkit_registration_t *registration);

/**
 * 0: the credentials are there; IK_EAGAIN: under way; else why there are none:
 * IK_EREGISTER_REFUSED (CONNACK 4 or 5, or a code of the platform: product secret, device name or the
 * product's switch is wrong), IK_EREGISTER_ACTIVATED (code 6289), IK_EREGISTER_NO_ANSWER,
 * IK_EREGISTER_ANSWER (it cannot be read, or is for another device), IK_EMQTT_CLIENT_ID (CONNACK 2: a
 * parameter is missing or malformed), IK_EMQTT_UNAVAILABLE (CONNACK 3), with X509
 * IK_ETLS_CLIENT_CERTIFICATE, IK_ETLS_CLIENT_EXPIRED, IK_ETLS_CLIENT_REVOKED, IK_EMQTT_CREDENTIALS and
 * IK_EMQTT_NOT_AUTHORIZED; with a credentials_file IK_ECREDENTIALS_DAMAGED, IK_ECREDENTIALS_EXPOSED
 * (it is a link, or others may open it), IK_ECREDENTIALS_OTHER (it is another device's),
 * IK_EFILE_LOCKED (another process has not finished in time) and other errors of files; else those of
 * a connection. By the thread that drives it.
 */
IOTKIT_API int iotkit_registration_result(const iotkit_registration_t *registration);
/** What exactly went wrong, "" if nothing has; never a secret. Lives as long as the registration. */
IOTKIT_API const char *iotkit_registration_detail(const iotkit_registration_t *registration);
/**
 * What was registered; NULL unless the result is 0. The registration's: copy what is to be kept, and
 * wipe the copy when it is no longer needed.
 */
IOTKIT_API const struct iotkit_credentials *
iotkit_registration_credentials(const iotkit_registration_t *registration);

/* ---- readiness face ---- */

/** The descriptor to wait for, -1: none at present. May change with every step. */
IOTKIT_API int iotkit_registration_fd(const iotkit_registration_t *registration);
/** IOTKIT_READ, IOTKIT_WRITE, both or 0. */
IOTKIT_API int iotkit_registration_interest(const iotkit_registration_t *registration);
/** When to step at the latest, whatever the descriptor says; UINT64_MAX: never. 0: at once. */
IOTKIT_API uint64_t iotkit_registration_deadline(const iotkit_registration_t *registration);
/**
 * Does what can be done now; never blocks. `now_ms`: iotkit_now_ms() or another monotonic clock,
 * always the same one. Returns iotkit_registration_result(), IK_EAGAIN also while credentials are
 * there and the connection is being closed (at most 2 s).
 */
IOTKIT_API int iotkit_registration_step(iotkit_registration_t *registration, uint64_t now_ms);
/** As iotkit_mqtt_set_waker(). */
IOTKIT_API void iotkit_registration_set_waker(iotkit_registration_t *registration,
                                              void (*wake)(void *ctx), void *ctx);

/* ---- blocking face ---- */

/**
 * Steps until it has ended, or `timeout_ms` have passed: IK_EAGAIN. UINT32_MAX: no limit but the
 * options'. IK_EINTERRUPTED: it may be waited for again. Else iotkit_registration_result().
 */
IOTKIT_API int iotkit_registration_wait(iotkit_registration_t *registration, uint32_t timeout_ms);
/** Ends a running or the next wait. Any thread. */
IOTKIT_API void iotkit_registration_interrupt(iotkit_registration_t *registration);
/**
 * Registers: iotkit_registration_new(), _wait() and _free() in one. On an error `out` is empty and
 * `detail` (may be NULL) says why.
 */
IOTKIT_API int iotkit_register(const struct iotkit_register_options *options,
                               struct iotkit_credentials *out, char *detail);

/* ---- names from a connection that is already there ---- */

/**
 * For a client that signs in by its certificate alone (iotkit_sign() with `x509` and no names): the
 * platform then publishes the device's names, unsubscribed, on this topic. The message goes to
 * on_event of the client.
 */
#define IOTKIT_IDENTITY_TOPIC "/ext/auth/identity/response"
/**
 * Reads that message: product key and device name. IK_EREGISTER_ANSWER with `detail` (may be NULL),
 * IK_ENO_MEMORY; on an error `out` is empty. Any thread.
 */
IOTKIT_API int iotkit_identity_read(const void *payload, size_t len, struct iotkit_credentials *out,
                                    char *detail);

#ifdef __cplusplus
}
#endif
#endif
