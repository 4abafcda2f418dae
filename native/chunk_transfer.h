// chunk_transfer.h - a download into buffers that JavaScript lends.
#ifndef IOTKIT_NATIVE_CHUNK_TRANSFER_H
#define IOTKIT_NATIVE_CHUNK_TRANSFER_H

#include <deque>
#include <unordered_map>
#include <vector>

#include "transfer.h"

namespace iotkit {

// JavaScript lends ArrayBuffers, the receiving thread fills them, the other digests them, take()
// gives them back in order. No copy, and back-pressure for free: nothing lent, nothing read. A lent
// buffer is kept alive here until it has been given back or the threads are joined. While nobody
// waits in take(), it neither keeps the process alive nor itself from being collected. Files beside
// it get their names when it was told that all chunks are used.
class ChunkTransfer final : public Transfer {
 public:
  ChunkTransfer(Addon *addon, Order order);

  // JS thread. false: the buffer has no memory (it was detached).
  bool Lend(Napi::ArrayBuffer buffer);
  // on_chunk(errno, detail, buffer, length) once: a chunk, or without a buffer the end. false: one
  // is waiting already.
  bool Take(Napi::Function on_chunk);
  // Every byte was taken and is where the consumer wants it.
  void Settle();
  // Ends it; on_end() once it has ended. Also by the finalizer, with no function.
  void Close(Napi::Function on_end);

 private:
  int OpenBuffers(uint64_t largest_image) override;
  void CloseBuffers() override {}
  int AwaitConsumer() override;
  bool MayBeginAgain() const override { return false; }
  void HandOn(const Block &block) override;
  void DeliverNews(Napi::Env env) override;
  void DeliverEnd(Napi::Env env, int error, const std::string &detail) override;
  void ReleaseValues() override;

  bool PopReady(Block *out);
  void AnswerNext(Napi::Env env);

  std::mutex ready_mutex_;
  std::deque<Block> ready_;
  bool wanted_ = false; // somebody waits in take()

  // JS thread.
  std::unordered_map<uint32_t, Napi::Reference<Napi::ArrayBuffer>> lent_;
  uint32_t last_id_ = 0;
  Napi::FunctionReference on_chunk_;
  std::vector<Napi::FunctionReference> on_end_; // a signal and the loop's end may both close it
  bool closing_ = false;
  bool at_end_ = false;
  int end_error_ = 0;
  std::string end_detail_;
};

} // namespace iotkit

#endif
