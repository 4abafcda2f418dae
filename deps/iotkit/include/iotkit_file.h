/**
 * @file
 * iotkit_file.h - where an image goes: a file that appears whole under its name or not at all, or a
 * block device.
 *
 * A file's bytes go to `<path>.part` in the same directory; commit syncs, renames and syncs the
 * directory. With a key (the announced digest and size) beside it lies `<path>.part.journal`, which
 * says how far the part is proven: at checkpoints it holds the digest of all bytes before them.
 * After a restart, a crash or a power cut the part is read and digested again, as far as the last
 * checkpoint that fits; nothing else is trusted, so a damaged, foreign or too new journal costs at
 * most a fresh start. The key is what is announced and not the URL: each push brings another URL.
 * Space is reserved before the first byte, where the file system can; without a commit all of it goes
 * back but what is proven.
 *
 * The directory may be one that others write to as well. Part, journal and commit note are regular
 * files of our user with one name, mode 0600, that nobody else can open until the commit; whatever
 * else has one of these names (another user's file, a link, a FIFO, a file that others may write to)
 * is neither opened nor believed, but removed and made anew. A `path` that is a symbolic link of our
 * user or root is followed: part, journal and rename are where it leads to, and the link stays. A link
 * of another user is not followed, but replaced.
 *
 * One writer at a time per path, across processes (an advisory lock on the part or device). Of what
 * a program does that does not heed it, a part that is cut, replaced or removed is noticed; bytes that
 * it writes over since they were digested are not, nor are those it writes into the image later.
 * Thread: one at a time per file, but iotkit_file_checkpoint() may run beside iotkit_file_write().
 */
#ifndef IOTKIT_FILE_H
#define IOTKIT_FILE_H

#include "iotkit_core.h"
#include "iotkit_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An open target with its lock; commit, keep and discard free it. */
typedef struct iotkit_file iotkit_file_t;

/** Of iotkit_file_open(), where NULL means all defaults. */
struct iotkit_file_options {
  size_t struct_size; /**< sizeof of this struct, or 0: see iotkit_core.h */
  uint64_t size;      /**< announced bytes: free space is checked for them first; 0: unknown */
  /**
   * of a new file; 0: 0644 less umask. An existing target's mode and owner are kept, without
   * set-user-ID and set-group-ID, if only we can have put it there: it is ours and has one name, or
   * its directory is ours or root's and nobody else may write to it
   */
  uint32_t mode;
  /** with `digest` and `size` the key of what is written: it can be resumed; NONE: it cannot */
  enum iotkit_digest_method digest_method;
  uint8_t digest[IOTKIT_DIGEST_MAX]; /**< the announced one: 16 bytes (MD5) or 32 (SHA-256) */
  /**
   * write into what is there, a block device or an existing file, at `base`: no part and no rename,
   * bytes before `base` and behind `base` + size stay as they are; a file does not grow
   */
  bool in_place;
  uint64_t base; /**< bytes */
  /**
   * path of the journal, a file that is overwritten unless it is one of the same key, and that is
   * neither target nor part; NULL: `<path>.part.journal`, and none with in_place
   */
  const char *journal;
  /** makes the directory of `path`, 0755 less umask, if it is missing, but none above it */
  bool make_directory;
  /**
   * bytes that an image may have at most, whatever was announced; 0: as many as are free, less a
   * reserve of 1/64 of the file system, at most 16 MiB
   */
  uint64_t max_size;
  /**
   * checks for space and sets it aside at the first write, copy or rewind and not at once: for
   * iotkit_image_link(), which needs none
   */
  bool defers_space;
  uint64_t reserved[3]; /**< 0: room for members to come, since others hold this struct by value */
};

/**
 * Opens the part, or the target itself with in_place. A part of the same key keeps its bytes for
 * iotkit_file_resume(); any other is emptied. Errors: IK_EFILE_NOT_FOUND, IK_EFILE_ACCESS,
 * IK_EFILE_ACCESS also: another user's file that we cannot remove; in place, another user's file or
 * link. IK_ENO_SPACE (the free space less the reserve, or what a target in place has behind `base`,
 * is less than what is missing; `detail` has the bytes needed and free; or more than `max_size`),
 * IK_EFILE_LOCKED (another process or download has it, or the device is mounted), IK_EFILE,
 * IK_EINVALID_ARGUMENT (path empty, too long, a directory, a mount point, or with a NUL; a device
 * without in_place; a `journal` that is the target, its part or no file); `detail` (may be NULL) names
 * path and reason.
 */
IOTKIT_API int iotkit_file_open(const char *path, const struct iotkit_file_options *options,
                                iotkit_file_t **out, char *detail);
/**
 * Reads what is there of an earlier download, proves it and gives it to the job, which then fetches
 * the rest: before its first fetch, else IK_EINVALID_STATE. Returns how many bytes are there, 0: it
 * begins at 0. At the digest's speed; iotkit_job_abort() ends it with IK_EABORTED. Errors of reading
 * are no errors: what cannot be read is fetched. It may be called again, for another file of the same
 * image too: the last call counts. `detail` may be NULL.
 */
IOTKIT_API int64_t iotkit_file_resume(iotkit_file_t *file, iotkit_job_t *job, char *detail);
/**
 * Writes all of `data` at `offset` of the image. IK_ENO_SPACE; IK_EFILE, also where another program
 * has cut the file; in place IK_EINVALID_ARGUMENT beyond the announced size. `detail` may be NULL.
 */
IOTKIT_API int iotkit_file_write(iotkit_file_t *file, uint64_t offset, const void *data, size_t len,
                                 char *detail);
/**
 * Notes in the journal how far the job has digested what was written, when that is due: to be
 * called after each block, on the thread that digests. Without a key it does nothing. A journal that
 * cannot be written is given up and no error.
 */
IOTKIT_API void iotkit_file_checkpoint(iotkit_file_t *file, iotkit_job_t *job);
/**
 * Forgets all that was written: it begins again at 0. To be called when a job does so, with no
 * checkpoint running.
 */
IOTKIT_API int iotkit_file_rewind(iotkit_file_t *file, char *detail);
/**
 * Cuts at `size`, syncs, renames over the final name, syncs the directory, removes the journal,
 * frees. In place: syncs, removes the journal, frees. Freed on error as well. IK_ESIZE_MISMATCH: fewer
 * bytes were written; never padded.
 *
 * Once renamed it is a success, 0: should a sync after it fail, `detail` says "installed, not yet
 * durable: …", and a power cut may bring the old file back; otherwise 0 leaves `detail` empty. A cut
 * before it returns leaves the old file or the new one, or none where there was none; docs/download.md
 * says what FAT adds to that.
 * Where the rename fails (EBUSY, EXDEV, EROFS), or what failed is retryable, a part with a key stays
 * whole for the next run; else an error removes it.
 */
IOTKIT_API int iotkit_file_commit(iotkit_file_t *file, uint64_t size, char *detail);
/**
 * All files of one directory under their final names, or none: each is cut at its size and synced,
 * then what is to be renamed is noted in `<directory>/.iotkit-commit` and synced, then renamed. An
 * error before the note leaves the old files as they were; parts with a key stay for the next run if
 * all were finished. After a crash or an error behind it, iotkit_file_recover() completes it. Names
 * that are not yet durable are a success with a `detail`, as of iotkit_file_commit(), and the note
 * stays until they are. On FAT each is copied first, IK_ENO_SPACE: there is no room for that. IK_EFILE_LOCKED:
 * another such commit goes on in that directory. Frees all. At
 * most IOTKIT_FILES_MAX files, none in place, none named as another's part or journal.
 */
IOTKIT_API int iotkit_file_commit_all(iotkit_file_t *const *files, const uint64_t *sizes,
                                      size_t count, char *detail);
/**
 * Completes a commit of several files that a crash has interrupted: 1; or 0: there was none, or
 * another user has written it. Call
 * it when the program starts; iotkit_file_open() in that directory does so too. IK_EFILE_LOCKED:
 * another process is at it; IK_EFILE, once: something else lies where one of its files should be,
 * so that it is given up. Parts are read again and must have their digests.
 */
IOTKIT_API int iotkit_file_recover(const char *directory, char *detail);
/**
 * Closes and frees what can be resumed later: part and journal stay if anything in them is proven.
 * Takes a last checkpoint, so nothing is fetched again. `job` may be NULL. Without a key as
 * iotkit_file_discard(). NULL is allowed.
 */
IOTKIT_API void iotkit_file_keep(iotkit_file_t *file, iotkit_job_t *job);
/** Closes, removes part and journal and frees. In place the target stays. NULL is allowed. */
IOTKIT_API void iotkit_file_discard(iotkit_file_t *file);

/* ---- an image being saved: a job and its targets ---- */

/**
 * A job and its open targets, each of which gets every byte: what iotkit_job_save() is made of, for
 * programs with a loop of their own. The order of calls: new, open (once for each target), resume;
 * then fetch, write and checkpoint until the job's state is FETCHED; check; commit; free. With
 * external_digest iotkit_job_digest() comes before each checkpoint. Thread: one at a time per
 * image, but iotkit_image_checkpoint() may run beside fetch and write. The job may be aborted,
 * interrupted and paused by any thread.
 */
typedef struct iotkit_image iotkit_image_t;

/** What is being done with an image, and what may follow. */
enum iotkit_phase {
  IOTKIT_PHASE_PROVING = 1, /**< bytes of an earlier run are read and digested → FETCHING */
  IOTKIT_PHASE_FETCHING,    /**< the server is asked, and bytes come           → VERIFYING */
  /** every byte has been received: the last of them are written, digested, and the digest compared;
      FETCHING once more where bytes of an earlier run were wrong → COMMITTING, FETCHING */
  IOTKIT_PHASE_VERIFYING,
  IOTKIT_PHASE_COMMITTING /**< it gets its final name; the last */
};

/** Hears of a phase that begins: see iotkit_image_on_phase(). */
typedef void (*iotkit_phase_fn)(void *ctx, enum iotkit_phase phase);

/**
 * An image without targets; takes a reference of the job, which has not been fetched. `*out` is the
 * caller's until iotkit_image_free(). IK_EINVALID_ARGUMENT, IK_ENO_MEMORY.
 */
IOTKIT_API int iotkit_image_new(iotkit_job_t *job, iotkit_image_t **out);
/** Ends it as iotkit_image_release() with no error, and frees. NULL is allowed. */
IOTKIT_API void iotkit_image_free(iotkit_image_t *image);
/** Its job, which it owns: valid as long as the image. NULL is allowed. */
IOTKIT_API iotkit_job_t *iotkit_image_job(const iotkit_image_t *image);
/**
 * Has the program told what is being done: `on_phase` is called as each phase begins, inside the call
 * that begins it and on its thread: iotkit_image_resume() (PROVING, where a target has bytes to be
 * proven), iotkit_image_fetch() (FETCHING, and VERIFYING as it returns the last bytes),
 * iotkit_image_commit() and, of the first of several images, iotkit_image_commit_all() (COMMITTING).
 * No lock is held: it may abort, interrupt and pause the job. An error ends a phase without another.
 * That tries fail, and another follows, is told by iotkit_job_on_retry(). NULL: nobody is told.
 * IK_EINVALID_ARGUMENT for no image.
 */
IOTKIT_API int iotkit_image_on_phase(iotkit_image_t *image, iotkit_phase_fn on_phase, void *ctx);
/**
 * Opens one more target as iotkit_file_open() does, with its errors; size and key are the job's,
 * all else of `options` counts (NULL: all defaults). IK_ENO_SPACE also above the max_size of the
 * job's fetch options. IK_EINVALID_ARGUMENT also if its part or journal
 * is a file of another target. Without `resumable` nothing of an earlier run
 * is used, and nothing is kept for a later one. All before the first fetch.
 */
IOTKIT_API int iotkit_image_open(iotkit_image_t *image, const char *path,
                                 const struct iotkit_file_options *options, bool resumable,
                                 char *detail);
/**
 * Proves what the targets have of an earlier run, as iotkit_file_resume() does, with its errors;
 * the job then fetches all that follows what each of them has. Returns how many bytes that is, 0:
 * it begins at 0. Before the first fetch.
 */
IOTKIT_API int64_t iotkit_image_resume(iotkit_image_t *image, char *detail);
/**
 * iotkit_job_fetch(), for iotkit_image_write() afterwards. Bytes, 0: none yet; or what ended the
 * job, with its `detail`, or IK_EINTERRUPTED, IK_EBUSY and the like, after which the job goes on.
 * An offset that is not where the last block ended is 0, and then the image begins again:
 * iotkit_image_rewind().
 */
IOTKIT_API int64_t iotkit_image_fetch(iotkit_image_t *image, void *buf, size_t len,
                                      uint32_t timeout_ms, uint64_t *offset, char *detail);
/** Writes into every target; errors as of iotkit_file_write(). */
IOTKIT_API int iotkit_image_write(iotkit_image_t *image, uint64_t offset, const void *data,
                                  size_t len, char *detail);
/** iotkit_file_checkpoint() of every target: after each block, on the thread that digests. */
IOTKIT_API void iotkit_image_checkpoint(iotkit_image_t *image);
/** The targets begin at byte 0 again. With no checkpoint running. */
IOTKIT_API int iotkit_image_rewind(iotkit_image_t *image, char *detail);
/**
 * Whether the image is the announced one: iotkit_job_check(), once all is fetched and digested.
 * Where it is not, but bytes of an earlier run are part of it, `*again` is true and the result 0:
 * targets and job begin at byte 0 again, once. With no checkpoint running. `detail` is written if
 * that fails.
 */
IOTKIT_API int iotkit_image_check(iotkit_image_t *image, bool *again, char *detail);
/**
 * Commits one target after the other, each as iotkit_file_commit() does, with its errors and its
 * "installed, not yet durable". Those after one that failed stay open.
 */
IOTKIT_API int iotkit_image_commit(iotkit_image_t *image, char *detail);
/**
 * Several images, with as many targets each: the first targets of all of them under their final
 * names, or none, as iotkit_file_commit_all() does; then the second ones, and so on. Those after a
 * set that failed stay open.
 */
IOTKIT_API int iotkit_image_commit_all(iotkit_image_t *const *images, size_t count, char *detail);
/**
 * Closes the targets that are not committed: discarded, if `error` (0: none) or an error that fetch
 * or check returned condemns the image (iotkit_error_condemns_image()), else kept for the next run.
 * NULL is allowed, and calling it again.
 */
IOTKIT_API void iotkit_image_release(iotkit_image_t *image, int error);

/* ---- one image for many ---- */

/**
 * An image file that was verified and committed, kept open: what others are made from, instead of
 * fetching the same image again. It stays readable when its name is removed or replaced; on the disk
 * it then takes its space until the last reference goes. Counted by references; any thread.
 */
typedef struct iotkit_original iotkit_original_t;

/**
 * Has the commit keep the image's first target open, for iotkit_image_original(). After
 * iotkit_image_check() or iotkit_image_copy() have said that the image is right, else
 * IK_EINVALID_STATE. Where the target cannot be kept open, such as one in place, there will be no
 * original, and that is no error.
 */
IOTKIT_API int iotkit_image_keep_original(iotkit_image_t *image, char *detail);
/**
 * What iotkit_image_keep_original() kept, after the commit: a reference that is the caller's; NULL:
 * none, or the commit has failed. NULL is allowed.
 */
IOTKIT_API iotkit_original_t *iotkit_image_original(const iotkit_image_t *image);
/** One more reference; returns `original`. NULL is allowed. */
IOTKIT_API iotkit_original_t *iotkit_original_ref(iotkit_original_t *original);
/** The last one closes it. NULL is allowed. */
IOTKIT_API void iotkit_original_unref(iotkit_original_t *original);
/**
 * Makes every target from `original`: in the place of resume, fetch and check, between
 * iotkit_image_open() and iotkit_image_commit(). What the targets have of an earlier run is forgotten.
 *
 * First the job's own rules are asked, as its first fetch would: size, signatures, the announced URL;
 * their errors fail the job. Then the file system is asked to share the bytes (a reflink), the system
 * to copy them, and at last they are read and written here. Each target is verified: read again and
 * digested; but one that shares the bytes of an original to which nobody has written since its commit
 * began, by its size and time, has the bytes that were verified.
 *
 * 0: the job's state is FETCHED. IK_ECHANGED: the original cannot be read or has other bytes; the
 * targets are at byte 0, and the job is to be fetched as if this had not been called. Any other error
 * ends the image: those of iotkit_file_write(), IK_EABORTED (iotkit_job_abort()), IK_EINVALID_ARGUMENT
 * (of another image), IK_EINVALID_STATE (fetched already), IK_EBUSY. `detail` may be NULL.
 */
IOTKIT_API int iotkit_image_copy(iotkit_image_t *image, const iotkit_original_t *original,
                                 char *detail);
/**
 * As iotkit_image_copy(), but each target becomes a hard link of the original where that can be: another
 * name of the same file, which takes no space, and for which no byte is read or written. What a program
 * writes later through one of the names is in all of them; a commit replaces its name alone.
 *
 * A target is copied instead, as iotkit_image_copy() does, where it is in place, on another file system, or on
 * one without links; where the original is another user's, was written to since it was finished, or no longer has
 * the name that it was committed to; or where owner, group or mode are not those that the target would get: of
 * the file that it replaces, or `mode` less umask. iotkit_image_made() says which it was. No symbolic link is
 * followed.
 *
 * Until the commit the link is `<path>.part.part`; one that an interrupted run has left goes with the
 * next iotkit_file_open() for that path. iotkit_image_commit_all() takes no image with links.
 */
IOTKIT_API int iotkit_image_link(iotkit_image_t *image, const iotkit_original_t *original,
                                 char *detail);
/** How an image's targets came to be; of several targets the one that shares least. */
enum iotkit_made {
  IOTKIT_MADE_FETCHED, /**< or not yet */
  IOTKIT_MADE_COPIED,  /**< bytes of their own, read from an original */
  IOTKIT_MADE_CLONED, /**< files of their own, that share bytes on the disk until one is written to (reflink) */
  IOTKIT_MADE_LINKED /**< the very file of the original */
};
/** After iotkit_image_copy() or iotkit_image_link(). NULL is allowed. */
IOTKIT_API enum iotkit_made iotkit_image_made(const iotkit_image_t *image);
/* ---- the whole of a download ---- */

/** How an image is saved by iotkit_job_save(); zeroed: all defaults. */
struct iotkit_save_options {
  size_t struct_size;              /**< sizeof of this struct, or 0: see iotkit_core.h */
  struct iotkit_file_options file; /**< size and key are taken from the job */
  bool no_resume;                  /**< begin at 0, leave no part behind */
  /** bytes there of all; on the calling thread, after each block; NULL: not called */
  void (*on_progress)(void *ctx, uint64_t received, uint64_t size);
  /**
   * of several files: before each is fetched, with its job (iotkit_job_open_file()), to give it what
   * is its own, such as a signature (iotkit_job_set_signature()). Anything but 0 ends the save with
   * that error. NULL: not called
   */
  int (*on_file)(void *ctx, size_t index, iotkit_job_t *job);
  void *ctx; /**< of all callbacks; not touched */
  /** a try has failed and another follows, see iotkit_job_on_retry(); NULL: not called */
  iotkit_retry_fn on_retry;
  /**
   * what is being done, see iotkit_image_on_phase(); of several files PROVING, FETCHING and VERIFYING
   * for each, COMMITTING once; NULL: not called
   */
  iotkit_phase_fn on_phase;
};

/**
 * The whole of it on the calling thread: opens the target, resumes, fetches, digests, writes,
 * checks, commits. Where an image that was resumed has the wrong digest, it is fetched once more from
 * byte 0. Of several files `path` is the directory, made if missing. On any error but a wrong digest
 * or signature what was received stays for the next time. 0 with a `detail` that is not empty:
 * installed, not yet durable (iotkit_file_commit()). iotkit_job_abort() ends it. The job must
 * not have been fetched, and has no external_digest.
 */
IOTKIT_API int iotkit_job_save(iotkit_job_t *job, const char *path,
                               const struct iotkit_save_options *options, char *detail);

#ifdef __cplusplus
}
#endif
#endif
