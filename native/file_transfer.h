// file_transfer.h - a download into files and devices alone.
#ifndef IOTKIT_NATIVE_FILE_TRANSFER_H
#define IOTKIT_NATIVE_FILE_TRANSFER_H

#include <memory>

#include "transfer.h"

namespace iotkit {

// Made on the JS thread, which then sees only progress and the end. Its buffers exist only while it
// runs.
class FileTransfer final : public Transfer {
 public:
  // on_progress(received, resumed), on_end(errno, detail)
  FileTransfer(Addon *addon, Order order, Napi::Function on_progress, Napi::Function on_end);

 private:
  int OpenBuffers(uint64_t largest_image) override;
  void CloseBuffers() override;
  int AwaitConsumer() override { return 0; }
  bool MayBeginAgain() const override { return true; }
  void HandOn(const Block &block) override;
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
