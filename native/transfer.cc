#include "transfer.h"

#include <algorithm>

#include "addon.h"
#include "runtime.h"

namespace iotkit {

namespace {

// A slow link hands over what has come so far this often, so that progress and chunks keep moving.
constexpr uint32_t kFetchMs = 250;
constexpr char kBeganAgain[] = "the image began again after parts of it had been handed out";

} // namespace

Transfer::Transfer(Addon *addon, Order order)
    : addon_(addon), mailbox_(addon->mailbox()), order_(std::move(order)) {
  Runtime::Get().counters.transfers++;
}

Transfer::~Transfer() {
  Runtime::Get().counters.transfers--;
}

void Transfer::Start() {
  auto self = std::static_pointer_cast<Transfer>(shared_from_this());
  addon_->Keep(self);
  Runtime::Get().slots.Enter(self);
}

void Transfer::Abort() {
  if (ended_) return;
  if (Runtime::Get().slots.Withdraw(this)) {
    Fail(IK_EABORTED, "");
    SetFinished();
    Post();
  } else {
    Fail(IK_EABORTED, "");
    Interrupt();
  }
}

void Transfer::Pause(bool paused) {
  if (ended_) return;
  for (const auto &image : order_.images)
    image->Pause(paused);
}

void Transfer::Shutdown() {
  if (!ended_ && !Runtime::Get().slots.Withdraw(this)) {
    Interrupt();
    Join();
  }
  ended_ = true;
  ReleaseValues();
}

// What is stored is still digested: so it is proven, and need not be fetched again another time.
void Transfer::Interrupt() {
  for (const auto &image : order_.images)
    image->Abort();
  free_.Stop();
}

bool Transfer::StartThread() {
  auto run = [](void *self) { static_cast<Transfer *>(self)->Run(); };
  int rc = Runtime::Get().StartThread(&thread_, "iotkit-recv", run, this);
  if (rc == 0) return true;
  Fail(rc, "");
  SetFinished();
  Post();
  return false;
}

void Transfer::Post() {
  mailbox_->Post(shared_from_this());
}

// The first error is the cause; what follows from it is not told.
void Transfer::Fail(int error, const char *detail) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (error_ != 0 || sealed_) return;
  error_ = error;
  detail_ = detail;
}

bool Transfer::HasFailed() {
  std::lock_guard<std::mutex> lock(mutex_);
  return error_ != 0;
}

// false: it has failed already.
bool Transfer::Seal() {
  std::lock_guard<std::mutex> lock(mutex_);
  sealed_ = true;
  return error_ == 0;
}

void Transfer::Run() {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = OpenAll(detail);
  if (rc == 0) {
    begun_ = true;
    Post();
    bool going_on = true;
    for (size_t i = 0; going_on && i < order_.images.size(); i++)
      going_on = FetchImage(order_.images[i].get());
  } else {
    Fail(rc, detail);
  }
  Finish();
}

// All targets are opened before the first byte is fetched: what does not go is known at once.
int Transfer::OpenAll(char *detail) {
  uint64_t largest = 0;
  for (const auto &image : order_.images) {
    largest = std::max(largest, image->size());
    int rc = image->Open(order_.targets, order_.resume, detail);
    if (rc < 0) return rc;
  }
  uint64_t there = 0;
  for (const auto &image : order_.images) {
    int rc = order_.resume ? image->Resume(detail) : 0;
    if (rc < 0) return rc;
    there += image->resumed();
  }
  resumed_ = there;
  done_ = there;
  return OpenBuffers(largest);
}

// In rounds, each with a digesting thread of its own: there is more than one only if the image
// begins again, and then nobody digests while the files are taken back.
bool Transfer::FetchImage(Image *image) {
  current_ = image;
  elsewhere_ = done_ - image->resumed();
  Filling filling;
  filling.expected = image->resumed();
  bool again = false;
  do {
    auto run = [](void *self) { static_cast<Transfer *>(self)->Digest(); };
    iotkit_thread_t *digester = nullptr;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = Runtime::Get().StartThread(&digester, "iotkit-digest", run, this);
    if (rc == 0) {
      again = Receive(image, &filling);
      filled_.End();
      iotkit_thread_join(digester);
      filled_.Reopen();
      if (HasFailed()) return false;
      rc = again ? 0 : image->Check(&again);
      if (rc == 0 && again) rc = image->Rewind(detail);
      filling.expected = 0;
    }
    if (rc != 0) {
      Fail(rc, detail);
      return false;
    }
  } while (again);
  return true;
}

// All bytes are there, but not the end of the body: a consumer has no reason to lend another
// buffer.
void Transfer::AwaitEnd(Image *image) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint8_t byte;
  Block block;
  block.data = &byte;
  block.capacity = sizeof byte;
  while (!image->IsFetched()) {
    int64_t got = image->Fetch(&block, kFetchMs, detail);
    if (got == 0) continue;
    if (got < 0) {
      Fail(static_cast<int>(got), detail);
    } else {
      Fail(IK_ECHANGED, kBeganAgain);
    }
    return;
  }
}

// true: the image has begun again at byte 0, and the block in hand is of the new beginning.
bool Transfer::Receive(Image *image, Filling *filling) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  Block *block = &filling->block;
  while (block->length > 0 || !image->IsFetched()) {
    if (!MayBeginAgain() && !filling->has_block && filling->expected == image->size()) {
      AwaitEnd(image);
      return false;
    }
    if (block->length == 0) {
      if (!filling->has_block && !free_.Pop(block)) return false;
      filling->has_block = true;
      int64_t got = image->Fetch(block, kFetchMs, detail);
      if (got == 0) continue;
      if (got < 0) {
        Fail(static_cast<int>(got), detail);
        return false;
      }
      if (block->offset < filling->expected) {
        if (MayBeginAgain()) return true;
        Fail(IK_ECHANGED, kBeganAgain);
        return false;
      }
    }
    int rc = image->Write(*block, detail);
    if (rc < 0) {
      Fail(rc, detail);
      return false;
    }
    filling->expected = block->offset + block->length;
    filled_.Push(*block);
    *block = Block();
    filling->has_block = false;
  }
  if (filling->has_block) free_.Push(*block);
  *filling = Filling();
  return false;
}

void Transfer::Digest() {
  Block block;
  while (filled_.Pop(&block)) {
    int rc = current_->Digest(block);
    if (rc < 0) {
      Fail(rc, "");
      Interrupt();
      return;
    }
    done_ = elsewhere_ + block.offset + block.length;
    HandOn(block);
  }
}

void Transfer::Finish() {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (!HasFailed()) {
    int rc = AwaitConsumer();
    if (rc < 0) Fail(rc, "");
  }
  if (Seal()) {
    bool several = order_.images.size() > 1;
    int rc =
        several ? Image::CommitAll(order_.images, detail) : order_.images.front()->Commit(detail);
    std::lock_guard<std::mutex> lock(mutex_);
    error_ = rc;
    detail_ = detail;
  }
  for (const auto &image : order_.images)
    image->Release();
  CloseBuffers();
  // Leaving takes the mutex under which thread_ was set: whoever sees finished_ sees thread_ as
  // well.
  Runtime::Get().slots.Leave(this);
  SetFinished();
  Post();
}

void Transfer::SetFinished() {
  std::lock_guard<std::mutex> lock(mutex_);
  sealed_ = true;
  finished_ = true;
}

void Transfer::Join() {
  if (thread_ != nullptr) iotkit_thread_join(thread_);
  thread_ = nullptr;
}

void Transfer::Deliver(Napi::Env env) {
  if (ended_) return;
  bool finished;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    finished = finished_;
  }
  if (!finished) {
    DeliverNews(env);
    return;
  }
  auto self = shared_from_this();
  Join();
  ended_ = true;
  order_.images.clear(); // JavaScript may keep this object for long: jobs have descriptors
  addon_->Forget(this);
  DeliverEnd(env, error_, detail_);
  ReleaseValues();
}

} // namespace iotkit
