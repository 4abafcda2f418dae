#include "download/chunk_transfer.h"

#include <algorithm>

#include "runtime/environment.h"

namespace iotkit {

ChunkTransfer::ChunkTransfer(Environment *environment, DownloadPlan plan, size_t chunk_bytes,
                             bool recycled, Napi::Function on_phase)
    : Transfer(environment, std::move(plan), on_phase), memory_(chunk_bytes, recycled) {}

bool ChunkTransfer::Lend(Napi::Env env) {
  if (ended()) return true;
  Block block = memory_.Lend(env);
  if (block.data == nullptr) return false;
  free_.Push(block);
  return true;
}

bool ChunkTransfer::Take(Napi::Function on_chunk) {
  if (!on_chunk_.IsEmpty()) return false;
  on_chunk_ = Napi::Persistent(on_chunk);
  mailbox_->Hold();
  bool answer_now = at_end_;
  {
    std::lock_guard<std::mutex> lock(ready_mutex_);
    chunk_wanted_ = true;
    answer_now = answer_now || !ready_.empty();
  }
  if (answer_now) AnswerNext(on_chunk.Env());
  return true;
}

void ChunkTransfer::Close(Napi::Function on_end) {
  closing_ = true;
  if (ended()) {
    ReleaseValues();
    if (!on_end.IsEmpty()) on_end.Call({});
    return;
  }
  if (!on_end.IsEmpty()) {
    if (on_end_.empty()) mailbox_->Hold();
    on_end_.push_back(Napi::Persistent(on_end));
  }
  Abort();
}

// Pushes a block without memory, which Lend never does; AwaitConsumer waits for it.
void ChunkTransfer::Settle() {
  if (!ended()) free_.Push(Block());
}

// The receiving thread fills what JavaScript lends.
int ChunkTransfer::OpenBuffers(uint64_t /*largest_image*/) {
  return 0;
}

int ChunkTransfer::AwaitConsumer() {
  if (!has_targets()) return 0;
  Block block;
  do {
    if (!TakeFree(&block)) return IK_EABORTED;
  } while (block.data != nullptr);
  return 0;
}

void ChunkTransfer::DeliverBlock(const Block &block) {
  bool wanted;
  {
    std::lock_guard<std::mutex> lock(ready_mutex_);
    ready_.push_back(block);
    wanted = chunk_wanted_;
  }
  if (wanted) Post();
}

void ChunkTransfer::DeliverNews(Napi::Env env) {
  if (!on_chunk_.IsEmpty()) AnswerNext(env);
}

void ChunkTransfer::DeliverEnd(Napi::Env env, int error, const std::string &detail) {
  at_end_ = true;
  end_error_ = error;
  end_detail_ = detail;
  if (!on_chunk_.IsEmpty()) AnswerNext(env);
  // A function called here may call Close again.
  std::vector<Napi::FunctionReference> waiting;
  waiting.swap(on_end_);
  if (!waiting.empty()) mailbox_->Drop();
  for (const Napi::FunctionReference &on_end : waiting)
    Invoke(on_end, {});
}

// Chunks that JavaScript has not taken yet stay until it takes them, unless it has
// closed the transfer.
void ChunkTransfer::ReleaseValues() {
  if (!on_end_.empty()) {
    on_end_.clear();
    mailbox_->Drop();
  }
  std::lock_guard<std::mutex> lock(ready_mutex_);
  if (!at_end_ || closing_) {
    ready_.clear();
    on_chunk_.Reset();
  }
  memory_.Free([this](uint32_t id) {
    return std::any_of(ready_.begin(), ready_.end(),
                       [id](const Block &block) { return block.id == id; });
  });
}

bool ChunkTransfer::PopReady(Block *out) {
  std::lock_guard<std::mutex> lock(ready_mutex_);
  if (ready_.empty()) return false;
  *out = ready_.front();
  ready_.pop_front();
  chunk_wanted_ = false;
  return true;
}

// A chunk, else the end, else nothing yet.
void ChunkTransfer::AnswerNext(Napi::Env env) {
  Block block;
  bool have_chunk = !closing_ && PopReady(&block);
  if (!have_chunk && !at_end_) return;

  Napi::FunctionReference on_chunk = std::move(on_chunk_);
  mailbox_->Drop();
  if (!have_chunk) {
    // Closed before every chunk was taken: the consumer has no complete image, whatever was
    // received.
    int error = closing_ && end_error_ == 0 ? static_cast<int>(IK_EABORTED) : end_error_;
    Invoke(on_chunk, {Napi::Number::New(env, error), Napi::String::New(env, end_detail_)});
    return;
  }
  Napi::ArrayBuffer buffer = memory_.HandOut(env, block);
  if (buffer.IsEmpty()) {
    Invoke(on_chunk, {Napi::Number::New(env, IK_ENO_MEMORY), Napi::String::New(env, "")});
    return;
  }
  Invoke(on_chunk, {Napi::Number::New(env, 0), Napi::String::New(env, ""), buffer,
                    Napi::Number::New(env, static_cast<double>(block.length))});
}

} // namespace iotkit
