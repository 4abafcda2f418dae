#include "transfer.h"

#include "addon.h"
#include "runtime.h"

namespace iotkit {

namespace {

// A slow link hands over what has come so far this often, so that progress and chunks keep moving.
constexpr uint32_t kFetchMs = 250;

} // namespace

Transfer::Transfer(Addon *addon, iotkit_job_t *job)
    : addon_(addon), job_(job), mailbox_(addon->mailbox()) {
  Runtime::Get().counters.transfers++;
}

Transfer::~Transfer() {
  iotkit_job_unref(job_);
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

void Transfer::Shutdown() {
  if (!ended_ && !Runtime::Get().slots.Withdraw(this)) {
    Interrupt();
    Join();
  }
  ended_ = true;
  ReleaseValues();
}

void Transfer::Interrupt() {
  iotkit_job_abort(job_);
  free_.Close(true);
  filled_.Close(true);
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
void Transfer::Fail(int error, const std::string &detail) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (error_ != 0 || sealed_) return;
  error_ = error;
  detail_ = detail;
}

// false: it has failed already.
bool Transfer::Seal() {
  std::lock_guard<std::mutex> lock(mutex_);
  sealed_ = true;
  return error_ == 0;
}

void Transfer::Run() {
  std::string detail;
  int rc = OpenSink(&detail);
  iotkit_thread_t *digester = nullptr;
  if (rc == 0) {
    auto run = [](void *self) { static_cast<Transfer *>(self)->Digest(); };
    rc = Runtime::Get().StartThread(&digester, "iotkit-digest", run, this);
  }
  if (rc == 0) {
    Receive();
    filled_.Close(false);
    iotkit_thread_join(digester);
  } else {
    Fail(rc, detail);
  }
  Finish();
}

void Transfer::Receive() {
  Block block;
  bool have_block = false;
  while (iotkit_job_get_state(job_) != IOTKIT_JOB_FETCHED) {
    if (!have_block && !free_.Pop(&block)) return;
    have_block = true;
    int64_t got = iotkit_job_fetch(job_, block.data, block.capacity, kFetchMs, &block.offset);
    if (got < 0 && got != IK_EINTERRUPTED) {
      char detail[IOTKIT_DETAIL_MAX] = "";
      int error = iotkit_job_error(job_, detail);
      Fail(error != 0 ? error : static_cast<int>(got), detail);
      return;
    }
    if (got <= 0) continue;
    block.length = static_cast<size_t>(got);
    have_block = false;
    std::string detail;
    int rc = Store(block, &detail);
    if (rc < 0) {
      Fail(rc, detail);
      return;
    }
    filled_.Push(block);
  }
}

void Transfer::Digest() {
  Block block;
  while (filled_.Pop(&block)) {
    std::string detail;
    int rc = iotkit_job_digest(job_, block.offset, block.data, block.length);
    if (rc >= 0) rc = HandOn(block, &detail);
    if (rc >= 0) continue;
    Fail(rc, detail);
    Interrupt();
    return;
  }
}

void Transfer::Finish() {
  if (Seal()) {
    std::string detail;
    int rc = iotkit_job_check(job_);
    if (rc == 0) rc = CommitSink(&detail);
    std::lock_guard<std::mutex> lock(mutex_);
    error_ = rc;
    detail_ = detail;
  }
  DiscardSink();
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
  addon_->Forget(this);
  DeliverEnd(env, error_, detail_);
  ReleaseValues();
}

} // namespace iotkit
