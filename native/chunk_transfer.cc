#include "chunk_transfer.h"

#include <algorithm>

#include "addon.h"
#include "runtime.h"

namespace iotkit {

ChunkTransfer::ChunkTransfer(Addon *addon, Order order) : Transfer(addon, std::move(order)) {}

bool ChunkTransfer::Lend(Napi::ArrayBuffer buffer) {
  if (ended()) return true;
  Block block;
  block.data = static_cast<uint8_t *>(buffer.Data());
  block.capacity = buffer.ByteLength();
  block.id = ++last_id_;
  if (block.data == nullptr || block.capacity == 0) return false;
  lent_.emplace(block.id, Napi::Persistent(buffer));
  Runtime::Get().counters.lent++;
  free_.Push(block);
  return true;
}

bool ChunkTransfer::Take(Napi::Function on_chunk) {
  if (!on_chunk_.IsEmpty()) return false;
  on_chunk_ = Napi::Persistent(on_chunk);
  mailbox_->Hold();
  bool due = at_end_;
  {
    std::lock_guard<std::mutex> lock(ready_mutex_);
    wanted_ = true;
    due = due || !ready_.empty();
  }
  if (due) AnswerNext(on_chunk.Env());
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

// A block without memory, which Lend never gives.
void ChunkTransfer::Settle() {
  if (!ended()) free_.Push(Block());
}

// The receiver receives straight into JavaScript's memory.
int ChunkTransfer::OpenBuffers(uint64_t /*largest_image*/) {
  return 0;
}

int ChunkTransfer::AwaitConsumer() {
  if (!has_targets()) return 0;
  Block block;
  do {
    if (!free_.Pop(&block)) return IK_EABORTED;
  } while (block.data != nullptr);
  return 0;
}

void ChunkTransfer::HandOn(const Block &block) {
  bool wanted;
  {
    std::lock_guard<std::mutex> lock(ready_mutex_);
    ready_.push_back(block);
    wanted = wanted_;
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
  // What is called may call Close again.
  std::vector<Napi::FunctionReference> waiting;
  waiting.swap(on_end_);
  if (!waiting.empty()) mailbox_->Drop();
  for (const Napi::FunctionReference &on_end : waiting)
    Invoke(on_end, {});
}

// Buffers with bytes that nobody has taken yet stay until they are taken, unless nobody will.
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
  for (auto entry = lent_.begin(); entry != lent_.end();) {
    auto holds_entry = [&](const Block &block) { return block.id == entry->first; };
    if (std::any_of(ready_.begin(), ready_.end(), holds_entry)) {
      ++entry;
    } else {
      entry = lent_.erase(entry);
      Runtime::Get().counters.lent--;
    }
  }
}

bool ChunkTransfer::PopReady(Block *out) {
  std::lock_guard<std::mutex> lock(ready_mutex_);
  if (ready_.empty()) return false;
  *out = ready_.front();
  ready_.pop_front();
  wanted_ = false;
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
    // Closed before everything was taken: whatever has been received, this is no complete image.
    int error = closing_ && end_error_ == 0 ? static_cast<int>(IK_EABORTED) : end_error_;
    Invoke(on_chunk, {Napi::Number::New(env, error), Napi::String::New(env, end_detail_)});
    return;
  }
  auto entry = lent_.find(block.id);
  Napi::ArrayBuffer buffer = entry->second.Value();
  lent_.erase(entry);
  Runtime::Get().counters.lent--;
  Invoke(on_chunk, {Napi::Number::New(env, 0), Napi::String::New(env, ""), buffer,
                    Napi::Number::New(env, static_cast<double>(block.length))});
}

} // namespace iotkit
