/*
 * port.h - what the SDK needs of an operating system and of a crypto library: the contract.
 *
 * What lives in port/: this contract, and below it port/posix, port/openssl and port/soft, which
 * implement it and may include base/ and this header; port/openssl also port/soft, for where there
 * is no OpenSSL. Each port implements every function here; nothing else in the SDK includes an OS
 * or OpenSSL header. Functions that can fail return 0 or positive, or a negative IK_E*. None blocks
 * unless it says so. `detail` is NULL or IOTKIT_DETAIL_MAX bytes.
 */
#ifndef IK_PORT_H
#define IK_PORT_H

#include "base/buf.h"
#include "iotkit_core.h"

/* ---- time and randomness (any thread) ---- */

uint64_t ik_port_now_ms(void);      /* monotonic; > 0; counts suspended time where it can */
uint64_t ik_port_time_ms(void);     /* wall clock, since 1970 UTC */
void ik_port_sleep_ms(uint32_t ms); /* blocks */
/* Unpredictable bytes; never fails (falls back to what the system has). */
void ik_port_random(void *out, size_t len);
uint32_t ik_port_random_u32(void);

/* ---- environment ---- */

/*
 * The value of a variable as a copy that the caller frees; NULL: it is not set. IK_ENO_MEMORY. Not
 * while another thread changes the environment, for which C has no lock.
 */
int ik_port_environment(const char *name, char **out);

/* ---- threads ---- */

struct ik_mutex;
struct ik_mutex *ik_mutex_new(void); /* not recursive; NULL: out of memory */
void ik_mutex_free(struct ik_mutex *mutex);
void ik_mutex_lock(struct ik_mutex *mutex);
void ik_mutex_unlock(struct ik_mutex *mutex);

/*
 * The lock of what the process has once; to be held for a few instructions, and no other lock
 * within. fork() waits for it: a child finds it free.
 */
void ik_process_lock(void);
void ik_process_unlock(void);

struct ik_cond;
struct ik_cond *ik_cond_new(void);
void ik_cond_free(struct ik_cond *cond);
void ik_cond_broadcast(struct ik_cond *cond);
/* Waits for a broadcast, or until `deadline_ms` (ik_port_now_ms; UINT64_MAX: for ever). Spurious
 * returns are allowed. */
void ik_cond_wait(struct ik_cond *cond, struct ik_mutex *mutex, uint64_t deadline_ms);

uintptr_t ik_thread_self(void); /* differs between live threads; never 0 */
/* iotkit_thread_start and _join (iotkit_core.h) belong to the port too; and for threads that nobody
 * joins: */
int ik_thread_detached(const char *name, size_t stack_bytes, void (*run)(void *arg), void *arg);

/* ---- waiting ---- */

/* A descriptor another thread can make readable. */
struct ik_wake;
int ik_wake_new(struct ik_wake **out);
void ik_wake_free(struct ik_wake *wake);
int ik_wake_fd(const struct ik_wake *wake);
void ik_wake_signal(struct ik_wake *wake); /* any thread; async-signal-safe */
void ik_wake_clear(struct ik_wake *wake);

struct ik_pollfd {
  int fd;       /* -1: ignored */
  int interest; /* IOTKIT_READ | IOTKIT_WRITE (iotkit_mqtt.h: 1 and 2) */
  int ready;    /* out: the same bits; an error or hang-up sets both of those asked for */
};
/* Blocks at most timeout_ms (UINT32_MAX: for ever). Returns how many are ready. A signal counts as
 * 0. */
int ik_port_poll(struct ik_pollfd *fds, size_t count, uint32_t timeout_ms);

/* Many descriptors, for the loop: epoll, kqueue or poll beneath. One thread at a time. */
struct ik_poller;
int ik_poller_new(struct ik_poller **out);
void ik_poller_free(struct ik_poller *poller);
/* Sets what is waited for on `fd` (0: forget it). `tag` comes back. Level-triggered. */
int ik_poller_set(struct ik_poller *poller, int fd, int interest, void *tag);
/* Tells that `fd` was closed: forgets it without a system call where that is done already. */
void ik_poller_forget(struct ik_poller *poller, int fd);
struct ik_poller_event {
  void *tag;
  int ready;
};
int ik_poller_wait(struct ik_poller *poller, struct ik_poller_event *events, size_t cap,
                   uint32_t timeout_ms);
/* A descriptor that is readable while any of its descriptors is ready; -1 where the system has no
 * such thing. */
int ik_poller_fd(const struct ik_poller *poller);

/* ---- name resolution ---- */

struct ik_address {
  uint8_t family; /* 4 or 6 */
  uint8_t bytes[16];
  uint32_t scope; /* of link-local IPv6 */
  uint16_t port;
};
#define IK_ADDRESSES_MAX 16

/* True, without blocking, when `host` is an IPv4 or IPv6 literal. */
bool ik_address_parse(const char *host, uint16_t port, struct ik_address *out);
/* "127.0.0.1:80", "[::1]:80" */
#define IK_ADDRESS_TEXT_MAX 72
void ik_address_text(const struct ik_address *address, char out[IK_ADDRESS_TEXT_MAX]);

/*
 * A lookup runs on a detached thread; cancelling never waits for it. A name that ends with a dot is
 * looked up as it is, in no search domain. After fork() a child can start lookups of its own; one
 * that its parent has started never ends in the child, which may free it. Poll `fd` for
 * reading, then take `result`: the number of addresses (families interleaved, as the system
 * prefers), IK_EAGAIN: not yet, IK_ERESOLVE with detail.
 */
struct ik_lookup;
int ik_lookup_start(const char *host, uint16_t port, struct ik_lookup **out);
int ik_lookup_fd(const struct ik_lookup *lookup);
int ik_lookup_result(struct ik_lookup *lookup, struct ik_address *out, size_t cap, char *detail);
void ik_lookup_free(struct ik_lookup *lookup); /* also cancels */

/* ---- sockets: non-blocking TCP, no SIGPIPE ever, close-on-exec, TCP_NODELAY, keep-alive ---- */

/* Begins to connect; the descriptor becomes writable when it is decided. */
int ik_tcp_connect(const struct ik_address *address, int *fd, char *detail);
/* 0 connected, IK_EAGAIN not yet, or IK_ECONNECT … with detail. */
int ik_tcp_connected(int fd, char *detail);
/* > 0 bytes, 0: orderly end by the peer, IK_EAGAIN, IK_ECONNECTION_RESET, IK_ENETWORK. */
ptrdiff_t ik_tcp_read(int fd, void *buf, size_t len);
/* ≥ 0 bytes taken, IK_EAGAIN, IK_ECONNECTION_RESET, IK_ENETWORK. */
ptrdiff_t ik_tcp_write(int fd, const void *data, size_t len);
/* Ends the sending side: the peer reads an end after what was written. Reading goes on. */
void ik_tcp_shutdown(int fd);
void ik_tcp_close(int fd);

/* ---- TLS over such a descriptor (iotkit_tls_new, _ref and _unref of iotkit_core.h too) ---- */

/* Where the environment says the CAs are: SSL_CERT_FILE, SSL_CERT_DIR; NULL: it does not. Owned. */
struct ik_tls_places {
  char *file;
  char *directory;
};
/*
 * Reads them in the calling thread, whose environment nobody may change meanwhile; OpenSSL, if this
 * is its first use, reads its own variables. IK_ENO_MEMORY: then nothing is owned.
 */
int ik_tls_places_read(struct ik_tls_places *out);
void ik_tls_places_free(struct ik_tls_places *places);
/* As iotkit_tls_new() with the system's CAs; reads no environment, so any thread may. */
int ik_tls_new_system(const struct ik_tls_places *places, iotkit_tls_t **out, char *detail);

/*
 * No call takes in more than its share: the bytes that were asked for, and of what brings no data
 * (handshakes, new keys, tickets, empty records) at most 64 KiB in 32 records. A peer that streams
 * such things gets IK_EAGAIN and `pending`, and the caller its thread back.
 */
struct ik_tls_conn;
#define IK_TLS_WAY_MAX (IK_HOST_MAX + 16)
/*
 * `host` for SNI (not for addresses) and verification, unless the context has a cert_name. `way`: what
 * else tells the peer from others of that name, its port and the proxy to it, at most IK_TLS_WAY_MAX
 * bytes. What the peer offers is resumed by later connections of the same context, host and way alone.
 * The fd stays the caller's.
 */
int ik_tls_conn_new(iotkit_tls_t *tls, int fd, const char *host, const char *way,
                    struct ik_tls_conn **out, char *detail);
void ik_tls_conn_free(struct ik_tls_conn *conn);
/* 0 done; IK_EAGAIN: see ik_tls_conn_wants; IK_ETLS… with detail that names host and reason. */
int ik_tls_conn_handshake(struct ik_tls_conn *conn, char *detail);
/* As ik_tcp_read/_write; 0 from read is a close_notify; a FIN without it is IK_ECONNECTION_CLOSED.
 * IK_EAGAIN: see wants. */
ptrdiff_t ik_tls_conn_read(struct ik_tls_conn *conn, void *buf, size_t len, char *detail);
ptrdiff_t ik_tls_conn_write(struct ik_tls_conn *conn, const void *data, size_t len, char *detail);
/* What the last IK_EAGAIN waits for: IOTKIT_READ or IOTKIT_WRITE of the descriptor below. */
int ik_tls_conn_wants(const struct ik_tls_conn *conn);
/* The connection's own, or during a handshake one that becomes readable when a signature is there. */
int ik_tls_conn_fd(const struct ik_tls_conn *conn);
/* Of a handshake that does not wait for the peer: what it waits for, a sentence; else NULL. */
const char *ik_tls_conn_awaits(const struct ik_tls_conn *conn);
/* True: decrypted bytes are waiting inside, so that read would not block though the descriptor may
 * never be readable; or the last read ended with its share. */
bool ik_tls_conn_pending(const struct ik_tls_conn *conn);
/* Sends close_notify if that goes without blocking. */
void ik_tls_conn_shutdown(struct ik_tls_conn *conn);

/* ---- digests and HMAC (OpenSSL's where there is one, else the SDK's own) ---- */

struct ik_digest;
int ik_digest_new(enum iotkit_digest_method method, struct ik_digest **out);
void ik_digest_free(struct ik_digest *digest);
int ik_digest_reset(struct ik_digest *digest);
int ik_digest_update(struct ik_digest *digest, const void *data, size_t len);
/*
 * Writes the digest of all so far; the state continues and may be updated or asked again. Returns
 * its length, 16 or 32.
 */
int ik_digest_value(struct ik_digest *digest, uint8_t out[IOTKIT_DIGEST_MAX]);

enum ik_hmac_method { IK_HMAC_MD5, IK_HMAC_SHA1, IK_HMAC_SHA256 };
#define IK_HMAC_MAX 32
/* Returns the length: 16, 20 or 32. */
int ik_hmac(enum ik_hmac_method method, const void *key, size_t key_len, const void *data,
            size_t len, uint8_t out[IK_HMAC_MAX]);

/* ---- public keys (OpenSSL's; without it there are none) ---- */

/* Never changes: any number of threads may verify with it. */
struct ik_pubkey;
/*
 * Reads all blocks of a PEM text, PUBLIC KEY or CERTIFICATE: RSA of 2,048 to 8,192 bits, ECDSA on
 * P-256, Ed25519. Returns how many, 1 to `cap`, each the caller's to free; or none and
 * IK_EPUBLIC_KEY with a detail that says which and why, IK_ETLS_UNAVAILABLE, IK_ETLS
 * (OpenSSL could not be loaded now), IK_ENO_MEMORY.
 */
int ik_pubkeys_read(struct ik_str pem, struct ik_pubkey **out, size_t cap, char *detail);
void ik_pubkey_free(struct ik_pubkey *key);
/* 1: the key made the signature over the message; 0: it did not; IK_ENO_MEMORY, IK_ECRYPTO. */
int ik_pubkey_verify(const struct ik_pubkey *key, const void *message, size_t len,
                     const void *signature, size_t signature_len);
/* The same for a message of which the SHA-256 value is given; 0 for Ed25519, which cannot do it. */
int ik_pubkey_verify_sha256(const struct ik_pubkey *key, const uint8_t digest[32],
                            const void *signature, size_t signature_len);

/* ---- files (blocking) ---- */

struct ik_osfile;
enum {
  IK_OSFILE_READ = 1,
  IK_OSFILE_WRITE = 2,
  IK_OSFILE_CREATE = 4,
  IK_OSFILE_TRUNCATE = 8,
  IK_OSFILE_LOCK = 16,
  IK_OSFILE_EXCLUSIVE = 32,
  IK_OSFILE_FINISHED = 64, /* this and the next: of ik_osfile_open_own() alone */
  IK_OSFILE_PRIVATE = 128
};
/* LOCK: an exclusive advisory lock or IK_EFILE_LOCKED. EXCLUSIVE: a block device that is mounted or
 * otherwise in use is IK_EFILE_LOCKED. Symbolic links at the last component are refused with
 * CREATE and with WRITE. */
int ik_osfile_open(const char *path, int flags, uint32_t mode, struct ik_osfile **out,
                   char *detail);
/*
 * Opens a file of our own for reading and writing, and locks it: a regular file of our user with
 * one name, which nobody else may write to. No link is followed. With CREATE whatever else has the
 * name is removed and an empty file made, that only we may open (0600). Else such a thing is
 * IK_OSFILE_NOT_OURS, with `*out` NULL, and nothing IK_EFILE_NOT_FOUND. With FINISHED it is
 * for reading, and may have the owner and mode of an image (ik_osfile_copy_owner). With PRIVATE it is
 * for reading, and one that anybody else may open is not ours.
 * IK_EFILE_LOCKED; IK_EFILE: a directory has the name; IK_EFILE_ACCESS: the directory does not let
 * us make or remove it.
 */
#define IK_OSFILE_NOT_OURS 1
int ik_osfile_open_own(const char *path, int flags, struct ik_osfile **out, char *detail);
void ik_osfile_close(struct ik_osfile *file);
int64_t ik_osfile_read(struct ik_osfile *file, uint64_t offset, void *buf, size_t len,
                       char *detail);
int ik_osfile_write(struct ik_osfile *file, uint64_t offset, const void *data, size_t len,
                    char *detail);
int ik_osfile_truncate(struct ik_osfile *file, uint64_t size, char *detail);
int ik_osfile_sync(struct ik_osfile *file, char *detail);
/*
 * Whether `path` names this very file, so that nobody has moved, removed or replaced it since: 1; 0:
 * nobody knows of it there; or the error of looking, which says neither.
 */
int ik_osfile_at(struct ik_osfile *file, const char *path, char *detail);
/* The same, where it is left alone unless it is known to be this one. */
bool ik_osfile_is_at(struct ik_osfile *file, const char *path);
/* Of a file or block device; IK_EFILE where it has none. */
int ik_osfile_size(struct ik_osfile *file, uint64_t *size, char *detail);
/* Bytes the disk holds for it: fewer than its size where it has holes, more where some are
 * reserved. */
uint64_t ik_osfile_allocated(struct ik_osfile *file);
/*
 * Sets space aside for [offset, offset + len), changing neither what is in it nor the file's size:
 * writing there finds no full disk. IK_ENO_SPACE, IK_EFILE: larger than a file may be;
 * IK_EUNSUPPORTED: there is no way but to write.
 */
int ik_osfile_reserve(struct ik_osfile *file, uint64_t offset, uint64_t len, char *detail);
/* Begins to put [offset, offset + len) on disk and does not wait; where the system can. */
void ik_osfile_start_writeback(struct ik_osfile *file, uint64_t offset, uint64_t len);
/*
 * Makes `to`, which is empty, the bytes of `from` without copying them: both share them until one is
 * written to. IK_EUNSUPPORTED: not here, for whatever reason; nothing has changed.
 */
int ik_osfile_clone(struct ik_osfile *to, struct ik_osfile *from);
/*
 * Copies up to `len` bytes at `offset` of `from` to the same place of `to`, inside the system. Returns
 * how many, 0: `from` ends there; IK_ENO_SPACE; IK_EUNSUPPORTED: not here, for whatever reason, and
 * reading and writing says more.
 */
int64_t ik_osfile_copy(struct ik_osfile *to, struct ik_osfile *from, uint64_t offset, size_t len,
                       char *detail);
/*
 * Makes `to` another name of `file`, by its name `from`; whatever file had that name loses it. IK_EUNSUPPORTED: not
 * here, for whatever reason, as from one file system to another, or because `from` names another file by now, or a
 * link.
 */
int ik_osfile_link(struct ik_osfile *file, const char *from, const char *to);
/* Whether it is our user's, and has owner, group and mode of the other one. */
bool ik_osfile_is_like(struct ik_osfile *file, struct ik_osfile *other);
/* Changes whenever what is in a file does; but who writes to it can set it back. */
struct ik_file_stamp {
  uint64_t size;
  int64_t modified_s;
  int64_t modified_ns;
};
int ik_osfile_stamp(struct ik_osfile *file, struct ik_file_stamp *out);
static inline bool ik_file_stamp_equal(const struct ik_file_stamp *a,
                                       const struct ik_file_stamp *b) {
  return a->size == b->size && a->modified_s == b->modified_s && a->modified_ns == b->modified_ns;
}
/* Whether some of [0, size) was never written; false where the system cannot tell. */
bool ik_osfile_has_hole(struct ik_osfile *file, uint64_t size);
/*
 * Mode and, where permitted, owner of an existing regular file onto this one, without set-user-ID
 * and set-group-ID. Only of a file that nobody else can have put there: it is ours and has one
 * name, or its directory is ours or root's and nobody else may write to it. Else IK_EFILE_ACCESS;
 * IK_EFILE_NOT_FOUND; IK_EINVALID_ARGUMENT: it is no regular file.
 */
int ik_osfile_copy_owner(struct ik_osfile *file, const char *from_path);
/* The mode that a new file would get: `mode` less the process's umask. */
int ik_osfile_set_mode(struct ik_osfile *file, uint32_t mode);
/* Ours alone again, as ik_osfile_open_own() makes one, where that is permitted. */
void ik_osfile_make_private(struct ik_osfile *file);
/* Of the four kinds at most one is true, and then exists; no link is followed. */
struct ik_path_info {
  bool exists;
  bool is_regular;
  bool is_directory;
  bool is_block_device;
  bool is_link;
  uint64_t size;
};
int ik_path_info(const char *path, struct ik_path_info *out, char *detail);
/*
 * The path that `path` leads to by symbolic links at its last component which are ours or root's;
 * nothing has to be there. The caller frees it. A link of others is where it ends.
 * IK_EINVALID_ARGUMENT: too many of them; IK_ETOO_LONG.
 */
int ik_path_resolve(const char *path, char **out, char *detail);
/*
 * 0 unless it is known that no rename can put another file there: IK_EINVALID_ARGUMENT, a mount
 * point; IK_EFILE_ACCESS, another user's in a sticky directory.
 */
int ik_path_check_replaceable(const char *path, char *detail);
/*
 * IK_EFILE_ACCESS for what must not be written to because others may have put it there: a symbolic
 * link (after ik_path_resolve), a regular file by the rule of ik_osfile_copy_owner().
 */
int ik_path_check_in_place(const char *path, char *detail);
/* Whether both paths name the same entry of the same directory. */
bool ik_path_is_same(const char *a, const char *b);
int ik_path_free_space(const char *directory, uint64_t *bytes);
int ik_path_rename(const char *from, const char *to, char *detail);
int ik_path_remove(const char *path);
/* 0 also where there is one; not its parents. */
int ik_path_make_directory(const char *path, uint32_t mode, char *detail);
int ik_path_sync_directory(const char *directory, char *detail);
/* The size of the file system that holds it, in bytes. */
int ik_path_total_space(const char *directory, uint64_t *bytes);
/*
 * A directory, open to be synced: opened before a rename, so that nothing but the sync itself can
 * fail after it. One that may not be read, or that has no sync, counts as synced.
 */
struct ik_osdir;
int ik_osdir_open(const char *directory, struct ik_osdir **out, char *detail);
int ik_osdir_sync(struct ik_osdir *directory, char *detail);
void ik_osdir_close(struct ik_osdir *directory); /* NULL is allowed */
/*
 * Renames the file, which has been synced, within `directory`; whatever file had the name loses it. The directory
 * is then still to be synced, before which a power cut leaves under that name what had it, or the file.
 * IK_OSFILE_NOT_DURABLE: it has the name, but the file system (FAT) could not be told to keep it; `detail` says
 * why. An error: nothing was renamed.
 */
#define IK_OSFILE_NOT_DURABLE 1
int ik_osfile_rename(struct ik_osfile *file, const char *from, const char *to,
                     struct ik_osdir *directory, char *detail);
/* Whether a cut meanwhile may leave the file neither name (FAT), and an empty one where nothing had the name. */
bool ik_osfile_rename_may_lose(struct ik_osfile *file);

/* ---- log ---- */

/* Goes to the sink of iotkit_log_set if the level is on. Never give it a secret. */
void ik_log(enum iotkit_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
