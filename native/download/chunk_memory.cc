#include "download/chunk_memory.h"

#include <cstring>
#include <new>
#include <utility>

#include "runtime/runtime.h"

namespace iotkit {

namespace {

// An ArrayBuffer whose bytes are not set: that of a Buffer, which alone Node-API makes without filling
// it with zeros. Empty: there is no memory.
Napi::ArrayBuffer NewUnset(Napi::Env env, size_t size) {
  void *bytes;
  napi_value made;
  napi_value memory;
  if (napi_create_buffer(env, size, &bytes, &made) != napi_ok ||
      napi_get_typedarray_info(env, made, nullptr, nullptr, nullptr, &memory, nullptr) != napi_ok) {
    return Napi::ArrayBuffer();
  }
  Napi::ArrayBuffer buffer(env, memory);
  // A runtime may give Buffers a piece of a larger one.
  return buffer.ByteLength() == size ? buffer : Napi::ArrayBuffer::New(env, size);
}

} // namespace

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
  if (!spare_.empty()) {
    *memory = std::move(spare_.back());
    spare_.pop_back();
  } else if (recycled_) {
    memory->bytes.reset(new (std::nothrow) uint8_t[chunk_bytes_]);
  } else {
    Napi::ArrayBuffer made = NewUnset(env, chunk_bytes_);
    if (made.IsEmpty()) return nullptr;
    memory->buffer = Napi::Persistent(made);
  }
  if (recycled_) return memory->bytes.get();
  return static_cast<uint8_t *>(memory->buffer.Value().Data());
}

Napi::ArrayBuffer ChunkMemory::HandOut(Napi::Env env, const Block &block) {
  auto entry = lent_.find(block.id);
  const bool copied = recycled_ || block.length < block.capacity / 2;
  Napi::ArrayBuffer out;
  if (!copied) {
    // After the last byte: what the memory held before is for nobody to see.
    std::memset(block.data + block.length, 0, block.capacity - block.length);
    out = entry->second.buffer.Value();
  } else {
    out = recycled_ ? Copy(env, block) : CopyOf(env, block);
    spare_.push_back(std::move(entry->second));
  }
  Forget(entry);
  return out;
}

// In memory of their own, as much as they take. Empty: there is no memory.
Napi::ArrayBuffer ChunkMemory::CopyOf(Napi::Env env, const Block &block) {
  Napi::ArrayBuffer out = NewUnset(env, block.length);
  if (out.IsEmpty())
    env.GetAndClearPendingException();
  else
    std::memcpy(out.Data(), block.data, block.length);
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
