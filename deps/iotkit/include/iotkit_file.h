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
 * Space is reserved before the first byte, where the file system can.
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
  uint64_t size; /**< announced bytes: free space is checked for them first; 0: unknown */
  /** of a new file; 0: 0644 less umask; an existing target's mode and owner are kept */
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
   * path of the journal, a file that is overwritten unless it is one of the same key; NULL:
   * `<path>.part.journal`, and none with in_place
   */
  const char *journal;
  bool make_directory; /**< makes the directory of `path` if it is missing, but none above it */
};

/**
 * Opens the part, or the target itself with in_place. A part of the same key keeps its bytes for
 * iotkit_file_resume(); any other is emptied. Errors: IK_EFILE_NOT_FOUND, IK_EFILE_ACCESS,
 * IK_ENO_SPACE (the free space, or what a target in place has behind `base`, is less than what is
 * missing), IK_EFILE_LOCKED (another process or download has it, or the device is mounted), IK_EFILE,
 * IK_EINVALID_ARGUMENT (path empty, too long, a directory, or with a NUL; a device without
 * in_place); `detail` (may be NULL) names path and reason.
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
 * frees. In place: syncs, removes the journal, frees. On error the part is removed; freed as well.
 * IK_ESIZE_MISMATCH: fewer bytes were written; never padded.
 */
IOTKIT_API int iotkit_file_commit(iotkit_file_t *file, uint64_t size, char *detail);
/**
 * All files of one directory under their final names, or none: each is cut at its size and synced,
 * then what is to be renamed is noted in `<directory>/.iotkit-commit` and synced, then renamed. An
 * error before the note leaves the old files as they were and removes the parts; after a crash or
 * an error behind it, iotkit_file_recover() completes it. Frees all. At most IOTKIT_FILES_MAX files,
 * none in place, none named as another's part or journal.
 */
IOTKIT_API int iotkit_file_commit_all(iotkit_file_t *const *files, const uint64_t *sizes,
                                      size_t count, char *detail);
/**
 * Completes a commit of several files that a crash has interrupted: 1; or 0: there was none. Call
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

/** How an image is saved by iotkit_job_save(); zeroed: all defaults. */
struct iotkit_save_options {
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
  void *ctx; /**< of both; not touched */
};

/**
 * The whole of it on the calling thread: opens the target, resumes, fetches, digests, writes,
 * checks, commits. Where an image that was resumed has the wrong digest, it is fetched once more from
 * byte 0. Of several files `path` is the directory, made if missing. On any error but a wrong digest
 * or signature what was received stays for the next time. iotkit_job_abort() ends it. The job must
 * not have been fetched, and has no external_digest.
 */
IOTKIT_API int iotkit_job_save(iotkit_job_t *job, const char *path,
                               const struct iotkit_save_options *options, char *detail);

#ifdef __cplusplus
}
#endif
#endif
