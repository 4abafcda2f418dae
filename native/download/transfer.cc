#include "download/transfer.h"

#include <algorithm>

#include "runtime/environment.h"
#include "runtime/runtime.h"

namespace iotkit {

namespace {

// How long a fetch waits to fill a block: on a slow link, progress and chunks come this often.
constexpr uint32_t kFetchMs = 250;
constexpr char kStartedOver[] = "the image began again after parts of it had been handed out";

} // namespace

const char *const Transfer::kPhaseNames[] = {"queued",   "sharing", "proving",   "downloading",
                                             "retrying", "paused",  "verifying", "committing"};

Transfer::Transfer(Environment *environment, DownloadPlan plan, Napi::Function on_phase)
    : Closing(EndRank::kDownload), environment_(environment), mailbox_(environment->mailbox()),
      digests_beside_(Runtime::Get().digests_beside), plan_(std::move(plan)),
      share_(this, [this](bool queued) { Enter(queued ? Phase::kQueued : Phase::kDownloading); }) {
  on_phase_ = Napi::Persistent(on_phase);
  for (const auto &image : plan_.images) {
    image->OnRetry(OnRetry, this);
    image->OnPhase(OnPhase, this);
  }
  Runtime::Get().counters.transfers++;
}

Transfer::~Transfer() {
  Runtime::Get().counters.transfers--;
}

void Transfer::Enqueue() {
  auto self = std::static_pointer_cast<Transfer>(shared_from_this());
  environment_->Keep(self);
  std::string key = ShareKey();
  shares_ = !key.empty();
  Runtime::Get().slots.Enter(self, key);
}

// Files alone: what is written in place goes to a device, which is no source to copy from.
std::string Transfer::ShareKey() const {
  auto in_place = [](const Target &target) { return target.in_place; };
  if (!plan_.share || plan_.targets.empty()) return "";
  if (std::any_of(plan_.targets.begin(), plan_.targets.end(), in_place)) return "";
  std::string key;
  for (const auto &image : plan_.images) {
    std::string part = image->ShareKey();
    if (part.empty()) return "";
    key += part;
  }
  return key;
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

void Transfer::Pause(Napi::Env env, bool paused) {
  if (ended_) return;
  { // first, because the receiving thread goes on at once
    std::lock_guard<std::mutex> lock(mutex_);
    paused_ = paused;
    NoteChange();
  }
  for (const auto &image : plan_.images)
    image->Pause(paused);
  share_.SetPaused(paused);
  DeliverChanges(env);
}

void Transfer::AwaitEnd() {
  if (!ended_ && !Runtime::Get().slots.Withdraw(this)) {
    Interrupt();
    Join();
  }
  ended_ = true;
  Release();
}

// Blocks that are already written are still digested: they are then proven, and another download
// need not fetch them again.
void Transfer::Interrupt() {
  for (const auto &image : plan_.images)
    image->Abort();
  free_.Stop();
  share_.Stop();
}

bool Transfer::StartTurn(SharedOriginals originals) {
  originals_ = std::move(originals);
  auto run = [](void *self) { static_cast<Transfer *>(self)->Run(); };
  int rc = Runtime::Get().StartThread(&thread_, "iotkit-recv", run, this);
  if (rc == 0) return true;
  Fail(rc, "");
  SetFinished();
  Post();
  return false;
}

// It has no thread yet.
void Transfer::Follow(bool follows, uint64_t received) {
  done_ = received;
  opened_ = follows;
  Enter(follows ? Phase::kSharing : Phase::kQueued);
}

void Transfer::TellFollowers() {
  if (shares_) Runtime::Get().slots.Received(this, done_);
}

// The first error is the cause; those that follow from it are not reported.
void Transfer::Fail(int error, const char *detail) {
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
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = OpenAll(detail);
  if (rc == 0) {
    opened_ = true;
    Post();
    bool ok = true;
    for (size_t i = 0; ok && i < plan_.images.size(); i++)
      ok = FetchImage(plan_.images[i].get());
  } else {
    Fail(rc, detail);
  }
  Finish();
}

// All targets are opened before the first byte is fetched: one that cannot be opened fails early.
int Transfer::OpenAll(char *detail) {
  uint64_t largest = 0;
  bool copied = false;
  int rc = OpenTargets(&largest, detail);
  if (rc == 0 && originals_ != nullptr) rc = TryCopy(&copied, detail);
  if (rc < 0 || copied) return rc;
  rc = ResumeAll(detail);
  return rc < 0 ? rc : OpenBuffers(largest);
}

int Transfer::OpenTargets(uint64_t *largest, char *detail) {
  for (const auto &image : plan_.images) {
    *largest = std::max(*largest, image->size());
    int rc = image->Open(plan_.targets, plan_.resume, MayLink(), detail);
    if (rc < 0) return rc;
  }
  return 0;
}

int Transfer::ResumeAll(char *detail) {
  uint64_t on_disk = 0;
  for (const auto &image : plan_.images) {
    int rc = plan_.resume && !image->IsFetched() ? image->Resume(detail) : 0;
    if (rc < 0) return rc;
    on_disk += image->resumed();
  }
  resumed_ = on_disk;
  done_ = on_disk;
  return 0;
}

// What cannot be copied, because nobody has it any more as it was, is received.
int Transfer::TryCopy(bool *copied, char *detail) {
  Enter(Phase::kSharing);
  share_.AwaitResume();
  int rc = CopyAll(detail);
  originals_.reset();
  *copied = rc == 0;
  if (rc != IK_ECHANGED) return rc;
  share_.WantSlot();
  return 0;
}

int Transfer::CopyAll(char *detail) {
  uint64_t bytes = 0;
  iotkit_made made = IOTKIT_MADE_LINKED;
  for (size_t i = 0; i < plan_.images.size(); i++) {
    int rc = plan_.images[i]->Copy(originals_->file(i), MayLink(), detail);
    if (rc < 0) return rc;
    bytes += plan_.images[i]->size();
    made = std::min(made, plan_.images[i]->made());
  }
  made_ = made;
  done_ = bytes;
  return 0;
}

bool Transfer::FetchImage(Image *image) {
  if (image->IsFetched()) return true; // copied
  current_image_ = image;
  other_images_bytes_ = done_ - image->resumed();
  PendingBlock pending;
  pending.expected = image->resumed();
  bool again = false;
  do {
    if (!FetchRound(image, &pending, &again)) return false;
  } while (again);
  return true;
}

// Each round has a digesting thread of its own, if there is one. There is another round only if the
// image starts over, and then nobody digests while the files are rewound. false: it has failed.
bool Transfer::FetchRound(Image *image, PendingBlock *pending, bool *again) {
  auto run = [](void *self) { static_cast<Transfer *>(self)->Digest(); };
  Enter(Phase::kDownloading); // before it waits, because it may be paused already
  iotkit_thread_t *digester = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = 0;
  if (digests_beside_) rc = Runtime::Get().StartThread(&digester, "iotkit-digest", run, this);
  if (rc == 0) {
    *again = Receive(image, pending);
    filled_.End();
    if (digester != nullptr) iotkit_thread_join(digester);
    filled_.Reopen();
    if (HasFailed()) return false;
    rc = *again ? image->Rewind(detail) : image->Check(again, detail);
    pending->expected = 0;
  }
  if (rc != 0) Fail(rc, detail);
  return rc == 0;
}

// true: the image has started over at byte 0, and the pending block is of the new beginning.
bool Transfer::Receive(Image *image, PendingBlock *pending) {
  while (pending->has_bytes() || !image->IsFetched()) {
    if (IsAllButEnd(*image, *pending)) {
      AwaitEndOfBody(image);
      return false;
    }
    if (!pending->has_bytes()) {
      Filled filled = FillBlock(image, pending);
      if (filled == Filled::kNothingYet) continue;
      if (filled != Filled::kBytes) return filled == Filled::kStartedOver;
    }
    if (!WriteBlock(image, pending)) return false;
  }
  if (pending->has_buffer) free_.Push(pending->block);
  *pending = PendingBlock();
  return false;
}

// All bytes have come, but not yet the end of the body: a consumer has no reason to lend another
// buffer.
bool Transfer::IsAllButEnd(const Image &image, const PendingBlock &pending) const {
  return !MayStartOver() && !pending.has_buffer && pending.expected == image.size();
}

void Transfer::AwaitEndOfBody(Image *image) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint8_t byte;
  Block block;
  block.data = &byte;
  block.capacity = sizeof byte;
  while (!image->IsFetched()) {
    int64_t got = Fetch(image, &block, detail);
    if (got == 0) continue;
    if (got < 0) {
      Fail(static_cast<int>(got), detail);
    } else {
      Fail(IK_ECHANGED, kStartedOver);
    }
    return;
  }
}

// kStopped: no buffer will come any more, or the transfer has failed.
Transfer::Filled Transfer::FillBlock(Image *image, PendingBlock *pending) {
  if (!pending->has_buffer && !TakeFree(&pending->block)) return Filled::kStopped;
  pending->has_buffer = true;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int64_t got = Fetch(image, &pending->block, detail);
  if (got == 0) return Filled::kNothingYet;
  if (got < 0) {
    Fail(static_cast<int>(got), detail);
    return Filled::kStopped;
  }
  if (pending->block.offset >= pending->expected) return Filled::kBytes;
  if (MayStartOver()) return Filled::kStartedOver;
  Fail(IK_ECHANGED, kStartedOver);
  return Filled::kStopped;
}

bool Transfer::TakeFree(Block *block) {
  if (free_.PopWithin(SlotShare::kStallMs, block)) return true;
  share_.GiveAway();
  bool taken = free_.Pop(block);
  share_.Touch();
  return taken;
}

// As Image::Fetch, with a slot while bytes come.
int64_t Transfer::Fetch(Image *image, Block *block, char *detail) {
  share_.Await();
  int64_t got = image->Fetch(block, kFetchMs, detail);
  if (got > 0) {
    share_.GotBytes(static_cast<uint64_t>(got));
    if (phase_ == Phase::kRetrying) Enter(Phase::kDownloading);
  } else if (got == 0) {
    share_.GotNothing();
  }
  return got;
}

// On the receiving thread, inside of a fetch.
void Transfer::OnRetry(void *self, const iotkit_retry *retry) {
  auto *transfer = static_cast<Transfer *>(self);
  transfer->share_.Retrying();
  uint64_t due_ms = iotkit_now_ms() + retry->delay_ms;
  transfer->Enter(Phase::kRetrying, {retry->attempt, retry->error, retry->detail, due_ms});
}

// On the receiving thread, inside of what begins the phase.
void Transfer::OnPhase(void *self, iotkit_phase phase) {
  auto *transfer = static_cast<Transfer *>(self);
  if (phase == IOTKIT_PHASE_PROVING) transfer->Enter(Phase::kProving);
  if (phase == IOTKIT_PHASE_VERIFYING) transfer->Enter(Phase::kVerifying);
  if (phase == IOTKIT_PHASE_COMMITTING) transfer->Enter(Phase::kCommitting);
}

void Transfer::Enter(Phase phase) {
  Enter(phase, Retry());
}

void Transfer::Enter(Phase phase, Retry retry) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    phase_ = phase;
    retry_ = std::move(retry);
    NoteChange();
  }
  Post();
}

// A pause holds up what waits or receives; the rest goes on.
void Transfer::NoteChange() {
  bool held_up = phase_ == Phase::kQueued || phase_ == Phase::kSharing ||
                 phase_ == Phase::kDownloading || phase_ == Phase::kRetrying;
  Phase now = paused_ && held_up ? Phase::kPaused : phase_;
  if (now == noted_ && now != Phase::kRetrying) return;
  noted_ = now;
  changes_.push_back({now, retry_});
  if (changes_.size() > kChangesMax) changes_.pop_front();
}

bool Transfer::TakeChange(Change *out) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (changes_.empty()) return false;
  *out = std::move(changes_.front());
  changes_.pop_front();
  return true;
}

// One by one: a function of the program's may pause it, and so add another.
void Transfer::DeliverChanges(Napi::Env env) {
  Change change;
  while (TakeChange(&change)) {
    const Retry &retry = change.retry;
    uint64_t now_ms = iotkit_now_ms();
    uint64_t delay_ms = retry.due_ms > now_ms ? retry.due_ms - now_ms : 0;
    Invoke(on_phase_, {Napi::String::New(env, kPhaseNames[static_cast<size_t>(change.phase)]),
                       Napi::Number::New(env, retry.attempt), Napi::Number::New(env, retry.error),
                       Napi::String::New(env, retry.detail),
                       Napi::Number::New(env, static_cast<double>(delay_ms))});
  }
}

// Into every target; then the digesting thread has the block. false: the transfer has failed.
bool Transfer::WriteBlock(Image *image, PendingBlock *pending) {
  const Block &block = pending->block;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = image->Write(block, detail);
  if (rc < 0) {
    Fail(rc, detail);
    return false;
  }
  pending->expected = block.offset + block.length;
  bool passed_on = true;
  if (digests_beside_)
    filled_.Push(block);
  else
    passed_on = DigestBlock(block);
  pending->block = Block();
  pending->has_buffer = false;
  return passed_on;
}

void Transfer::Digest() {
  Block block;
  while (filled_.Pop(&block) && DigestBlock(block)) {}
}

// false: the transfer has failed.
bool Transfer::DigestBlock(const Block &block) {
  int rc = current_image_->Digest(block);
  if (rc < 0) {
    Fail(rc, "");
    Interrupt();
    return false;
  }
  done_ = other_images_bytes_ + block.offset + block.length;
  DeliverBlock(block);
  return true;
}

void Transfer::Finish() {
  if (!HasFailed()) {
    int rc = AwaitConsumer();
    if (rc < 0) Fail(rc, "");
  }
  SharedOriginals originals = Seal() ? CommitAll() : nullptr;
  for (const auto &image : plan_.images)
    image->Release();
  CloseBuffers();
  // Leave takes the mutex under which thread_ was set: a thread that sees finished_ also sees
  // thread_.
  Runtime::Get().slots.Leave(this, std::move(originals));
  SetFinished();
  Post();
}

// nullptr: nobody shares them, or there are none.
SharedOriginals Transfer::CommitAll() {
  char detail[IOTKIT_DETAIL_MAX] = "";
  std::vector<iotkit_original_t *> originals;
  for (const auto &image : plan_.images)
    if (shares_) image->KeepOriginal();
  int rc = Image::Commit(plan_.images, detail);
  for (const auto &image : plan_.images)
    if (iotkit_original_t *original = image->TakeOriginal()) originals.push_back(original);
  auto shared = std::make_shared<Originals>(std::move(originals));
  std::lock_guard<std::mutex> lock(mutex_);
  error_ = rc;
  detail_ = detail;
  return rc == 0 && shared->count() == plan_.images.size() ? shared : nullptr;
}

void Transfer::SetFinished() {
  std::lock_guard<std::mutex> lock(mutex_);
  sealed_ = true;
  finished_ = true;
}

bool Transfer::IsFinished() {
  std::lock_guard<std::mutex> lock(mutex_);
  return finished_;
}

void Transfer::Join() {
  if (thread_ != nullptr) iotkit_thread_join(thread_);
  thread_ = nullptr;
}

void Transfer::Deliver(Napi::Env env) {
  if (ended_) return;
  auto self = shared_from_this();
  bool finished = IsFinished(); // before its last changes are taken
  DeliverChanges(env);
  if (ended_) return;
  if (!finished) {
    DeliverNews(env);
    return;
  }
  Join();
  ended_ = true;
  plan_.images.clear(); // JavaScript may keep this object for long, and jobs hold descriptors
  environment_->Forget(this);
  DeliverEnd(env, error_, detail_);
  Release();
}

void Transfer::Release() {
  on_phase_.Reset();
  ReleaseValues();
}

} // namespace iotkit
