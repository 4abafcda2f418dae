// image.h - one image of a transfer, and the places its bytes go to.
#ifndef IOTKIT_NATIVE_IMAGE_H
#define IOTKIT_NATIVE_IMAGE_H

#include <iotkit.h>

#include <memory>
#include <string>
#include <vector>

#include "block_queue.h"

namespace iotkit {

// A place for an image: a file, or with in_place a device or what is in a file already.
struct Target {
  std::string path; // of several files: their directory
  uint32_t mode = 0;
  bool in_place = false;
  uint64_t base = 0;
  std::string journal;
};

// A job and its open targets, each of which gets every byte. On the receiving thread, where nothing
// else is said. One that is not committed is released: what is proven of it stays for the next
// time, unless the image itself was found to be wrong.
class Image final {
 public:
  // Takes over the reference to a job that has not been fetched. `name`: of one file of several.
  Image(iotkit_job_t *job, std::string name);
  ~Image();
  Image(const Image &) = delete;
  Image &operator=(const Image &) = delete;

  // Before the first fetch. See iotkit_job_set_signature().
  int SetSignature(iotkit_signed what, const void *signature, size_t len) {
    return iotkit_job_set_signature(job_, what, signature, len);
  }

  // Any thread.
  void Abort() { iotkit_job_abort(job_); }
  void Pause(bool paused) { iotkit_job_pause(job_, paused); }

  uint64_t size() const { return iotkit_job_upgrade(job_)->size; }
  uint64_t resumed() const { return resumed_; }

  // Without `keyed` nothing of an earlier download is used, and nothing is kept for a later one.
  int Open(const std::vector<Target> &targets, bool keyed, char *detail);
  // Lets the job go on behind what all of the targets have.
  int Resume(char *detail);
  bool IsFetched() const { return iotkit_job_get_state(job_) == IOTKIT_JOB_FETCHED; }
  // Fills the block as far as it can. Bytes, 0: none yet; or what ended the job.
  int64_t Fetch(Block *block, uint32_t timeout_ms, char *detail);
  int Write(const Block &block, char *detail);
  // The digesting thread.
  int Digest(const Block &block);
  // All is fetched and digested. *again: the image is wrong, but only its end was fetched, and now
  // the job can fetch all of it.
  int Check(bool *again);
  // The files begin at byte 0 again. Not while the other thread digests.
  int Rewind(char *detail);
  int Commit(char *detail);
  void Release();

  // All files of the images, under each of the targets: all or none.
  static int CommitAll(const std::vector<std::unique_ptr<Image>> &images, char *detail);

 private:
  int OpenTarget(const Target &target, bool keyed, char *detail);
  int Judge(int error);

  iotkit_job_t *const job_;
  const std::string name_;
  std::vector<iotkit_file_t *> files_;
  uint64_t resumed_ = 0;
  bool rewound_ = false;
  bool wrong_ = false;
};

} // namespace iotkit

#endif
