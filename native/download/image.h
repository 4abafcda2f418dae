// image.h - one image of a transfer, and the places its bytes go to.
#ifndef IOTKIT_NATIVE_DOWNLOAD_IMAGE_H
#define IOTKIT_NATIVE_DOWNLOAD_IMAGE_H

#include <iotkit.h>

#include <memory>
#include <string>
#include <vector>

#include "download/block_queue.h"

namespace iotkit {

// A place for an image: a file; with in_place a device, or a part of an existing file.
struct Target {
  std::string path; // the directory, when there are several files
  uint32_t mode = 0;
  bool in_place = false;
  uint64_t base = 0;
  std::string journal;
};

// Owns an iotkit_image_t: a job and its open targets, each of which gets every byte. What is
// resumed, fetched again, kept or discarded is decided there (iotkit_file.h). Belongs to the
// receiving thread, where no other thread is named.
class Image final {
 public:
  // Takes over an image without targets. `name`: the file's, when there are several.
  Image(iotkit_image_t *image, std::string name);
  ~Image() { iotkit_image_free(image_); }
  Image(const Image &) = delete;
  Image &operator=(const Image &) = delete;

  // Before the first fetch. See iotkit_job_set_signature().
  int SetSignature(iotkit_signed what, const void *signature, size_t len) {
    return iotkit_job_set_signature(job_, what, signature, len);
  }

  // Before the first fetch. See iotkit_job_on_retry().
  void OnRetry(iotkit_retry_fn on_retry, void *ctx) { iotkit_job_on_retry(job_, on_retry, ctx); }

  // Before Open. See iotkit_image_on_phase().
  void OnPhase(iotkit_phase_fn on_phase, void *ctx) {
    iotkit_image_on_phase(image_, on_phase, ctx);
  }

  // Any thread.
  void Abort() { iotkit_job_abort(job_); }
  void Pause(bool paused) { iotkit_job_pause(job_, paused); }

  uint64_t size() const { return iotkit_job_upgrade(job_)->size; }
  uint64_t resumed() const { return resumed_; }

  // Without `resumable`, bytes of an earlier download are not used and none are kept for a later
  // one. With `defers_space` none is set aside before the first byte is written.
  int Open(const std::vector<Target> &targets, bool resumable, bool defers_space, char *detail);
  // The job continues after the bytes that every target already has on disk.
  int Resume(char *detail);
  bool IsFetched() const { return iotkit_job_get_state(job_) == IOTKIT_JOB_FETCHED; }
  // Fills the block with the bytes that come in time. Returns how many, 0: none yet; or the error
  // that ended the job.
  int64_t Fetch(Block *block, uint32_t timeout_ms, char *detail);
  int Write(const Block &block, char *detail) {
    return iotkit_image_write(image_, block.offset, block.data, block.length, detail);
  }
  // The digesting thread.
  int Digest(const Block &block);
  // After all bytes are fetched and digested. *again: the image is wrong, but only its end was
  // fetched, and job and targets are now ready for all of it. Not while the other thread digests.
  int Check(bool *again, char *detail) { return iotkit_image_check(image_, again, detail); }
  // The targets start over at byte 0. Not while the other thread digests.
  int Rewind(char *detail) { return iotkit_image_rewind(image_, detail); }
  // Closes the targets that are not committed.
  void Release() { iotkit_image_release(image_, 0); }

  // Any thread, and what it says does not change. "": no other download may have what this one
  // fetches.
  std::string ShareKey() const;
  // In the place of Resume, Fetch and Check. With `links` by hard links, where that can be.
  // IK_ECHANGED: it is to be fetched all the same.
  int Copy(const iotkit_original_t *original, bool links, char *detail);
  iotkit_made made() const { return iotkit_image_made(image_); }
  // Before the commit, and after it: the caller's reference, or nullptr.
  void KeepOriginal() { iotkit_image_keep_original(image_, nullptr); }
  iotkit_original_t *TakeOriginal() const { return iotkit_image_original(image_); }

  // Commits one image; several target by target: all files of a target or none.
  static int Commit(const std::vector<std::unique_ptr<Image>> &images, char *detail);

 private:
  int OpenTarget(const Target &target, bool resumable, bool defers_space, char *detail);

  iotkit_image_t *const image_;
  iotkit_job_t *const job_; // the image's
  const std::string name_;
  uint64_t resumed_ = 0;
};

} // namespace iotkit

#endif
