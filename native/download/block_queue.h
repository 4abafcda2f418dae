// block_queue.h - buffers on their way between two threads.
#ifndef IOTKIT_NATIVE_DOWNLOAD_BLOCK_QUEUE_H
#define IOTKIT_NATIVE_DOWNLOAD_BLOCK_QUEUE_H

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>

namespace iotkit {

// A buffer, and the part of the image in it. Does not own the memory.
struct Block {
  uint8_t *data = nullptr;
  size_t capacity = 0;
  size_t length = 0;
  uint64_t offset = 0;
  uint32_t id = 0;
};

// Any thread. Bounded by the number of blocks that exist.
class BlockQueue final {
 public:
  void Push(const Block &block) {
    std::lock_guard<std::mutex> lock(mutex_);
    blocks_.push_back(block);
    changed_.notify_one();
  }

  // Waits for a block. false: the queue is stopped, or ended and empty.
  bool Pop(Block *out) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return HasNews(); });
    return TakeFirst(out);
  }

  // As Pop, but waits only so long. false also: none has come in time.
  bool PopWithin(uint32_t timeout_ms, Block *out) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return HasNews(); });
    return TakeFirst(out);
  }

  // No block will be pushed until it is reopened; those in the queue can still be popped.
  void End() { SetEnded(true); }
  void Reopen() { SetEnded(false); }

  // For good: drops the blocks, and Pop fails from now on.
  void Stop() {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    blocks_.clear();
    changed_.notify_all();
  }

 private:
  bool HasNews() const { return stopped_ || ended_ || !blocks_.empty(); }

  bool TakeFirst(Block *out) {
    if (blocks_.empty()) return false;
    *out = blocks_.front();
    blocks_.pop_front();
    return true;
  }

  void SetEnded(bool ended) {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = ended;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Block> blocks_;
  bool ended_ = false;
  bool stopped_ = false;
};

} // namespace iotkit

#endif
