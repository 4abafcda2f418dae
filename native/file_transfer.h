// file_transfer.h - a download into a file.
#ifndef IOTKIT_NATIVE_FILE_TRANSFER_H
#define IOTKIT_NATIVE_FILE_TRANSFER_H

#include <memory>

#include "transfer.h"

namespace iotkit {

// Made on the JS thread, which then sees only progress and the end. Opens, writes and commits on
// the receiving thread. Its buffers exist only while it runs.
class FileTransfer final : public Transfer {
 public:
  // on_progress(bytes), on_end(errno, detail)
  FileTransfer(Addon *addon, iotkit_job_t *job, std::string path, Napi::Function on_progress,
               Napi::Function on_end);

 private:
  int OpenSink(std::string *detail) override;
  int CommitSink(std::string *detail) override;
  void DiscardSink() override;
  int Store(const Block &block, std::string *detail) override;
  int HandOn(const Block &block, std::string *detail) override;
  void DeliverNews(Napi::Env env) override;
  void DeliverEnd(Napi::Env env, int error, const std::string &detail) override;
  void ReleaseValues() override;

  const std::string path_;
  std::unique_ptr<uint8_t[]> memory_;
  iotkit_file_t *file_ = nullptr;
  uint64_t last_post_ms_ = 0;     // digesting thread
  std::atomic<uint64_t> done_{0}; // bytes stored and digested; latest wins
  Napi::FunctionReference on_progress_;
  Napi::FunctionReference on_end_;
};

} // namespace iotkit

#endif
