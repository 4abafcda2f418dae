#include "file_transfer.h"

#include <new>

#include "addon.h"

namespace iotkit {

namespace {

// Large enough that calls and wakeups do not count, small enough for the caches; four, so that a
// hiccup of one thread does not stop the other.
constexpr size_t kBlockBytes = size_t{256} * 1024;
constexpr uint32_t kBlocks = 4;
constexpr uint64_t kProgressMs = 100;

} // namespace

FileTransfer::FileTransfer(Addon *addon, iotkit_job_t *job, std::string path,
                           Napi::Function on_progress, Napi::Function on_end)
    : Transfer(addon, job), path_(std::move(path)) {
  on_progress_ = Napi::Persistent(on_progress);
  on_end_ = Napi::Persistent(on_end);
  mailbox_->Hold();
}

int FileTransfer::OpenSink(std::string *detail) {
  iotkit_file_options options = {};
  options.size = iotkit_job_upgrade(job_)->size;
  char text[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_file_open(path_.c_str(), &options, &file_, text);
  detail->assign(text);
  if (rc < 0) return rc;

  memory_.reset(new (std::nothrow) uint8_t[kBlocks * kBlockBytes]);
  if (memory_ == nullptr) return IK_ENO_MEMORY;
  for (uint32_t i = 0; i < kBlocks; i++) {
    Block block;
    block.data = memory_.get() + i * kBlockBytes;
    block.capacity = kBlockBytes;
    free_.Push(block);
  }
  return 0;
}

int FileTransfer::Store(const Block &block, std::string *detail) {
  char text[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_file_write(file_, block.offset, block.data, block.length, text);
  detail->assign(text);
  return rc;
}

int FileTransfer::HandOn(const Block &block, std::string * /*detail*/) {
  done_ = block.offset + block.length;
  free_.Push(block);
  uint64_t now_ms = iotkit_now_ms();
  if (now_ms - last_post_ms_ >= kProgressMs) {
    last_post_ms_ = now_ms;
    Post();
  }
  return 0;
}

int FileTransfer::CommitSink(std::string *detail) {
  char text[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_file_commit(file_, iotkit_job_upgrade(job_)->size, text);
  file_ = nullptr;
  memory_.reset();
  detail->assign(text);
  return rc;
}

void FileTransfer::DiscardSink() {
  iotkit_file_discard(file_);
  file_ = nullptr;
  memory_.reset();
}

void FileTransfer::DeliverNews(Napi::Env env) {
  Invoke(on_progress_, {Napi::Number::New(env, static_cast<double>(done_))});
}

void FileTransfer::DeliverEnd(Napi::Env env, int error, const std::string &detail) {
  Invoke(on_end_, {Napi::Number::New(env, error), Napi::String::New(env, detail)});
}

void FileTransfer::ReleaseValues() {
  on_progress_.Reset();
  on_end_.Reset();
  mailbox_->Drop();
}

} // namespace iotkit
