#include "runtime/download_slots.h"

#include <algorithm>

namespace iotkit {

void DownloadSlots::SetMax(size_t max) {
  std::lock_guard<std::mutex> lock(mutex_);
  max_ = std::clamp<size_t>(max, 1, kLimit);
  StartWaiting();
}

void DownloadSlots::Enter(std::shared_ptr<Turn> turn, const std::string &key) {
  std::lock_guard<std::mutex> lock(mutex_);
  SharedGroup group = Join(key);
  if (group != nullptr) group->waiting++;
  queue_.push_back({std::move(turn), false, false, std::move(group)});
  StartWaiting();
}

bool DownloadSlots::Withdraw(const Turn *turn) {
  SharedOriginals last; // files are closed without the mutex
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindQueued(turn);
  if (found == queue_.end() || found->again) return false;
  last = StopWaiting(*found);
  queue_.erase(found);
  return true;
}

void DownloadSlots::Give(const Turn *turn) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindBegun(turn);
  if (found == begun_.end() || !HasPlace(*found)) return;
  Change(&*found, Doing::kIdle);
  StartWaiting();
}

void DownloadSlots::Ask(const Turn *turn) {
  SharedOriginals last;
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindBegun(turn);
  if (found == begun_.end() || found->doing == Doing::kRunning) return;
  if (found->doing == Doing::kCopying) last = std::move(found->group->originals);
  Change(&*found, Doing::kAsking);
  queue_.push_back({found->turn, true, false, nullptr});
  StartWaiting();
}

void DownloadSlots::Received(const Turn *turn, uint64_t received) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindBegun(turn);
  if (found == begun_.end() || found->group == nullptr || found->group->waiting == 0) return;
  found->group->received = received;
  for (const Queued &queued : queue_)
    if (queued.group == found->group && queued.follows) queued.turn->Follow(true, received);
}

void DownloadSlots::Leave(const Turn *turn, SharedOriginals originals) {
  std::shared_ptr<Turn> last; // the mutex is released before what may be the last reference
  std::lock_guard<std::mutex> lock(mutex_);
  auto queued = FindQueued(turn);
  if (queued != queue_.end()) queue_.erase(queued);
  auto found = FindBegun(turn);
  if (found == begun_.end()) return;
  Count(*found, false);
  if (found->group != nullptr && found->group->waiting > 0 && found->group->originals == nullptr)
    found->group->originals.swap(originals);
  last = std::move(found->turn);
  begun_.erase(found);
  StartWaiting();
}

void DownloadSlots::InterruptAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  exiting_ = true;
  for (const Begun &begun : begun_)
    begun.turn->Interrupt();
}

size_t DownloadSlots::waiting() {
  std::lock_guard<std::mutex> lock(mutex_);
  return queue_.size();
}

DownloadSlots::SharedGroup DownloadSlots::Join(const std::string &key) {
  if (key.empty()) return nullptr;
  for (auto it = groups_.begin(); it != groups_.end();)
    it = it->second.expired() ? groups_.erase(it) : std::next(it);
  std::weak_ptr<Group> &known = groups_[key];
  SharedGroup group = known.lock();
  if (group == nullptr) known = group = std::make_shared<Group>();
  return group;
}

// The first in the queue that may, and so on; then those that are left hear what they wait for.
void DownloadSlots::StartWaiting() {
  auto may_start = [this](const Queued &queued) { return MayStart(queued); };
  while (!exiting_) {
    auto next = std::find_if(queue_.begin(), queue_.end(), may_start);
    if (next == queue_.end()) break;
    Queued queued = std::move(*next);
    queue_.erase(next);
    Start(std::move(queued));
  }
  for (Queued &queued : queue_)
    TellFollower(&queued);
}

bool DownloadSlots::MayStart(const Queued &queued) const {
  bool has_slot = running_ < max_;
  if (queued.again) return has_slot;
  if (begun_.size() >= kBegunMax) return false;
  const Group *group = queued.group.get();
  if (group == nullptr) return has_slot;
  if (group->originals != nullptr) return copying_ < kCopyingMax;
  return has_slot && group->running < std::max<size_t>(1, group->idle);
}

void DownloadSlots::Start(Queued queued) {
  if (queued.again) {
    Change(&*FindBegun(queued.turn.get()), Doing::kRunning);
    queued.turn->ResumeTurn();
    return;
  }
  SharedOriginals originals = queued.group != nullptr ? queued.group->originals : nullptr;
  StopWaiting(queued);
  Begun begun = {std::move(queued.turn), originals != nullptr ? Doing::kCopying : Doing::kRunning,
                 std::move(queued.group)};
  if (!begun.turn->StartTurn(std::move(originals))) return;
  Count(begun, true);
  begun_.push_back(std::move(begun));
}

// What its group needs no longer, for who asks to release.
SharedOriginals DownloadSlots::StopWaiting(const Queued &queued) {
  SharedOriginals last;
  if (queued.group != nullptr && --queued.group->waiting == 0) last.swap(queued.group->originals);
  return last;
}

void DownloadSlots::TellFollower(Queued *queued) {
  const Group *group = queued->group.get();
  bool follows = group != nullptr && (group->running > 0 || group->originals != nullptr);
  if (follows == queued->follows) return;
  queued->follows = follows;
  queued->turn->Follow(follows, follows ? group->received : 0);
}

bool DownloadSlots::HasPlace(const Begun &begun) {
  return begun.doing == Doing::kRunning || begun.doing == Doing::kCopying;
}

void DownloadSlots::Change(Begun *begun, Doing doing) {
  Count(*begun, false);
  begun->doing = doing;
  Count(*begun, true);
}

// Adds it to what is counted of all, or takes it away.
void DownloadSlots::Count(const Begun &begun, bool add) {
  auto count = [add](size_t *number) { *number += add ? 1 : size_t(-1); };
  Group *group = begun.group.get();
  if (begun.doing == Doing::kRunning) count(&running_);
  if (begun.doing == Doing::kCopying) count(&copying_);
  if (group == nullptr || begun.doing == Doing::kCopying) return;
  count(begun.doing == Doing::kIdle ? &group->idle : &group->running);
}

std::list<DownloadSlots::Queued>::iterator DownloadSlots::FindQueued(const Turn *turn) {
  return std::find_if(queue_.begin(), queue_.end(),
                      [turn](const Queued &queued) { return queued.turn.get() == turn; });
}

std::list<DownloadSlots::Begun>::iterator DownloadSlots::FindBegun(const Turn *turn) {
  return std::find_if(begun_.begin(), begun_.end(),
                      [turn](const Begun &begun) { return begun.turn.get() == turn; });
}

} // namespace iotkit
