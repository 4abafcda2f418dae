// chunk_transfer.h - a download into chunks for JavaScript.
#ifndef IOTKIT_NATIVE_DOWNLOAD_CHUNK_TRANSFER_H
#define IOTKIT_NATIVE_DOWNLOAD_CHUNK_TRANSFER_H

#include <list>
#include <vector>

#include "download/chunk_memory.h"
#include "download/transfer.h"

namespace iotkit {

// JavaScript lends room for a chunk, the receiving thread fills it, it is digested,
// take() hands it out in order. Back-pressure for free: nothing lent, nothing read. What is lent is
// memory that JavaScript cannot reach before it is handed out (see ChunkMemory); it is kept until
// then, or until the threads are joined. While nobody waits in take(), the transfer keeps neither
// the process alive nor itself from being collected. Files that get the same bytes get their names
// after Settle.
class ChunkTransfer final : public Transfer {
 public:
  // Chunks of at most `chunk_bytes`. `recycled`: each has the memory of the one before it.
  // on_phase: see Transfer
  ChunkTransfer(Environment *environment, DownloadPlan plan, size_t chunk_bytes, bool recycled,
                Napi::Function on_phase);

  // JS thread.
  // Room for one more chunk. false: there is no memory, see ChunkMemory.
  bool Lend(Napi::Env env);
  // on_chunk(errno, detail, buffer, length) once: a chunk, or without a buffer the end. false: one
  // is waiting already.
  bool Take(Napi::Function on_chunk);
  // The consumer has taken and stored every byte.
  void Settle();
  // Ends it; on_end() once it has ended. Also by the finalizer, with no function.
  void Close(Napi::Function on_end);

 private:
  int OpenBuffers(uint64_t largest_image) override;
  void CloseBuffers() override {}
  int AwaitConsumer() override;
  bool MayStartOver() const override { return false; }
  void DeliverBlock(const Block &block) override;
  void DeliverNews(Napi::Env env) override;
  void DeliverEnd(Napi::Env env, int error, const std::string &detail) override;
  void ReleaseValues() override;

  bool PopReady(Block *out);
  void AnswerNext(Napi::Env env);

  std::mutex ready_mutex_;
  std::list<Block> ready_;
  bool chunk_wanted_ = false; // take() waits

  // JS thread.
  ChunkMemory memory_;
  Napi::FunctionReference on_chunk_;
  std::vector<Napi::FunctionReference> on_end_; // a signal and the loop's end may both close it
  bool closing_ = false;
  bool at_end_ = false;
  int end_error_ = 0;
  std::string end_detail_;
};

} // namespace iotkit

#endif
