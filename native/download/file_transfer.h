// file_transfer.h - a download into files and devices only.
#ifndef IOTKIT_NATIVE_DOWNLOAD_FILE_TRANSFER_H
#define IOTKIT_NATIVE_DOWNLOAD_FILE_TRANSFER_H

#include <memory>

#include "download/transfer.h"

namespace iotkit {

// The JS thread makes it and then sees only progress and the end. Its buffers exist only while it
// runs.
class FileTransfer final : public Transfer {
 public:
  // on_progress(received, resumed), on_end(errno, detail, made: iotkit_made), on_phase: see Transfer
  FileTransfer(Environment *environment, DownloadPlan plan, Napi::Function on_progress,
               Napi::Function on_end, Napi::Function on_phase);

 private:
  int OpenBuffers(uint64_t largest_image) override;
  void CloseBuffers() override;
  int AwaitConsumer() override { return 0; }
  bool MayStartOver() const override { return true; }
  void DeliverBlock(const Block &block) override;
  void DeliverNews(Napi::Env env) override;
  void DeliverEnd(Napi::Env env, int error, const std::string &detail) override;
  void ReleaseValues() override;

  std::unique_ptr<uint8_t[]> memory_;
  uint64_t last_post_ms_ = 0; // digesting thread
  Napi::FunctionReference on_progress_;
  Napi::FunctionReference on_end_;
};

} // namespace iotkit

#endif
