#include "download/file_transfer.h"

#include <algorithm>
#include <new>

namespace iotkit {

namespace {

// Large enough that the cost of calls and wakeups is small, small enough for the caches; four for two
// threads, so that a short delay of one does not stop the other. A block is a small part of a small
// image, because bytes not yet digested when the process is killed have to be fetched again.
constexpr uint64_t kBlockBytesMin = uint64_t{16} * 1024;
constexpr uint64_t kBlockBytesMax = uint64_t{256} * 1024;
constexpr uint64_t kBlocksOfImage = 256;
constexpr uint64_t kPageBytes = 4096;
constexpr uint32_t kBlocksOfTwoThreads = 4;
constexpr uint64_t kProgressMs = 100;

size_t BlockBytes(uint64_t image) {
  uint64_t part = std::clamp(image / kBlocksOfImage, kBlockBytesMin, kBlockBytesMax);
  return static_cast<size_t>(part / kPageBytes * kPageBytes);
}

} // namespace

FileTransfer::FileTransfer(Environment *environment, DownloadPlan plan, Napi::Function on_progress,
                           Napi::Function on_end, Napi::Function on_phase)
    : Transfer(environment, std::move(plan), on_phase) {
  on_progress_ = Napi::Persistent(on_progress);
  on_end_ = Napi::Persistent(on_end);
  mailbox_->Hold();
}

int FileTransfer::OpenBuffers(uint64_t largest_image) {
  size_t bytes = BlockBytes(largest_image);
  uint32_t blocks = digests_beside() ? kBlocksOfTwoThreads : 1;
  memory_.reset(new (std::nothrow) uint8_t[blocks * bytes]);
  if (memory_ == nullptr) return IK_ENO_MEMORY;
  for (uint32_t i = 0; i < blocks; i++) {
    Block block;
    block.data = memory_.get() + i * bytes;
    block.capacity = bytes;
    free_.Push(block);
  }
  return 0;
}

void FileTransfer::CloseBuffers() {
  memory_.reset();
}

void FileTransfer::DeliverBlock(const Block &block) {
  free_.Push(block);
  uint64_t now_ms = iotkit_now_ms();
  if (now_ms - last_post_ms_ < kProgressMs) return;
  last_post_ms_ = now_ms;
  TellFollowers();
  Post();
}

void FileTransfer::DeliverNews(Napi::Env env) {
  if (!opened()) return;
  Invoke(on_progress_, {Napi::Number::New(env, static_cast<double>(done())),
                        Napi::Number::New(env, static_cast<double>(resumed()))});
}

void FileTransfer::DeliverEnd(Napi::Env env, int error, const std::string &detail) {
  DeliverNews(env);
  Invoke(on_end_, {Napi::Number::New(env, error), Napi::String::New(env, detail),
                   Napi::Number::New(env, made())});
}

void FileTransfer::ReleaseValues() {
  on_progress_.Reset();
  on_end_.Reset();
  mailbox_->Drop();
}

} // namespace iotkit
