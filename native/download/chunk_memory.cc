#include "download/chunk_memory.h"

#include <cstring>
#include <new>
#include <utility>

#include "runtime/runtime.h"

namespace iotkit {

ChunkMemory::~ChunkMemory() {
  Free([](uint32_t) { return false; });
}

Block ChunkMemory::Lend(Napi::Env env) {
  Block block;
  Memory memory;
  block.data = NewMemory(env, &memory);
  if (block.data == nullptr) return block;
  block.capacity = chunk_bytes_;
  block.id = ++last_id_;
  lent_.emplace(block.id, std::move(memory));
  Runtime::Get().counters.lent++;
  return block;
}

uint8_t *ChunkMemory::NewMemory(Napi::Env env, Memory *memory) {
  if (!recycled_) {
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, chunk_bytes_);
    if (buffer.IsEmpty()) return nullptr;
    memory->buffer = Napi::Persistent(buffer);
    return static_cast<uint8_t *>(buffer.Data());
  }
  if (spare_.empty()) {
    memory->bytes.reset(new (std::nothrow) uint8_t[chunk_bytes_]);
  } else {
    memory->bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  return memory->bytes.get();
}

Napi::ArrayBuffer ChunkMemory::HandOut(Napi::Env env, const Block &block) {
  auto entry = lent_.find(block.id);
  Napi::ArrayBuffer out = recycled_ ? Copy(env, block) : entry->second.buffer.Value();
  if (recycled_) spare_.push_back(std::move(entry->second.bytes));
  Forget(entry);
  return out;
}

Napi::ArrayBuffer ChunkMemory::Copy(Napi::Env env, const Block &block) {
  std::swap(handed_out_[0], handed_out_[1]);
  Napi::Reference<Napi::ArrayBuffer> &older = handed_out_[0];
  Napi::ArrayBuffer out;
  if (!older.IsEmpty()) out = older.Value();
  // One that JavaScript has detached has no bytes.
  if (out.IsEmpty() || out.ByteLength() < block.length) {
    out = Napi::ArrayBuffer::New(env, chunk_bytes_);
    if (out.IsEmpty()) {
      env.GetAndClearPendingException();
      return out;
    }
    older = Napi::Persistent(out);
  }
  std::memcpy(out.Data(), block.data, block.length);
  return out;
}

ChunkMemory::Lent::iterator ChunkMemory::Forget(Lent::iterator entry) {
  Runtime::Get().counters.lent--;
  return lent_.erase(entry);
}

} // namespace iotkit
