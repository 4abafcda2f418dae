// chunk_memory.h - the memory of chunks, on its way from threads to JavaScript.
#ifndef IOTKIT_NATIVE_DOWNLOAD_CHUNK_MEMORY_H
#define IOTKIT_NATIVE_DOWNLOAD_CHUNK_MEMORY_H

#include <napi.h>

#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <vector>

#include "download/block_queue.h"

namespace iotkit {

// JS thread only. No JavaScript can reach a block while a thread may write into it, so nothing that
// JavaScript does to an ArrayBuffer (transfer, detach, collect) touches memory that is being filled:
//   own       each chunk has an ArrayBuffer of its own. It is made here, and JavaScript sees it for
//             the first time when it is handed out, full. No copy. Of one that is not half full, as on
//             a slow link, the bytes are copied into an ArrayBuffer of that length, and the memory is
//             lent again: a program that keeps chunks would keep megabytes for each few kilobytes.
//   recycled  blocks are native memory, copied into two ArrayBuffers that are handed out in turn,
//             so that a chunk is not in the memory of the one before it, which a program may give
//             away late. Where it has done so, another ArrayBuffer takes that one's place.
class ChunkMemory final {
 public:
  ChunkMemory(size_t chunk_bytes, bool recycled) : chunk_bytes_(chunk_bytes), recycled_(recycled) {}
  ~ChunkMemory();
  ChunkMemory(const ChunkMemory &) = delete;
  ChunkMemory &operator=(const ChunkMemory &) = delete;

  // A block for a thread to fill; without data when there is no memory, with a pending exception
  // where JavaScript's own allocation failed.
  Block Lend(Napi::Env env);
  // The bytes of a lent block, for JavaScript; no thread uses the block any more. Empty: there is
  // no memory; no exception is pending.
  Napi::ArrayBuffer HandOut(Napi::Env env, const Block &block);
  // Frees every lent block that `is_kept` does not name; no thread uses these any more.
  template <typename IsKept>
  void Free(IsKept is_kept) {
    for (auto entry = lent_.begin(); entry != lent_.end();)
      entry = is_kept(entry->first) ? std::next(entry) : Forget(entry);
  }

 private:
  // One of the two.
  struct Memory {
    Napi::Reference<Napi::ArrayBuffer> buffer;
    std::unique_ptr<uint8_t[]> bytes;
  };
  using Lent = std::map<uint32_t, Memory>;

  uint8_t *NewMemory(Napi::Env env, Memory *memory);
  Napi::ArrayBuffer Copy(Napi::Env env, const Block &block);
  Napi::ArrayBuffer CopyOf(Napi::Env env, const Block &block);
  Lent::iterator Forget(Lent::iterator entry);

  const size_t chunk_bytes_;
  const bool recycled_;
  Lent lent_; // by the block's id
  uint32_t last_id_ = 0;
  std::vector<Memory> spare_; // not lent, and JavaScript has never seen it
  std::array<Napi::Reference<Napi::ArrayBuffer>, 2> handed_out_; // recycled: the older one is next
};

} // namespace iotkit

#endif
