#include "runtime/download_slots.h"

#include <algorithm>

namespace iotkit {

void DownloadSlots::SetMax(size_t max) {
  std::lock_guard<std::mutex> lock(mutex_);
  max_ = std::clamp<size_t>(max, 1, kLimit);
  StartWaiting();
}

void DownloadSlots::Enter(std::shared_ptr<Turn> turn) {
  std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back({std::move(turn), false});
  StartWaiting();
}

bool DownloadSlots::Withdraw(const Turn *turn) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindQueued(turn);
  if (found == queue_.end() || found->again) return false;
  queue_.erase(found);
  return true;
}

void DownloadSlots::Give(const Turn *turn) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindBegun(turn);
  if (found == begun_.end() || !found->has_slot) return;
  TakeSlot(found);
  StartWaiting();
}

void DownloadSlots::Ask(const Turn *turn) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = FindBegun(turn);
  if (found == begun_.end() || found->has_slot) return;
  queue_.push_back({found->turn, true});
  StartWaiting();
}

void DownloadSlots::Leave(const Turn *turn) {
  std::shared_ptr<Turn> last; // the mutex is released before what may be the last reference
  std::lock_guard<std::mutex> lock(mutex_);
  auto queued = FindQueued(turn);
  if (queued != queue_.end()) queue_.erase(queued);
  auto found = FindBegun(turn);
  if (found == begun_.end()) return;
  if (found->has_slot) TakeSlot(found);
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

void DownloadSlots::StartWaiting() {
  while (!exiting_ && running_ < max_) {
    auto next = NextInTurn();
    if (next == queue_.end()) return;
    Queued queued = std::move(*next);
    queue_.erase(next);
    if (queued.again) {
      FindBegun(queued.turn.get())->has_slot = true;
      queued.turn->ResumeTurn();
    } else if (queued.turn->StartTurn()) {
      begun_.push_back({std::move(queued.turn), true});
    } else {
      continue;
    }
    running_++;
  }
}

// The first in the queue, but where as many have begun as may, the first of those.
std::list<DownloadSlots::Queued>::iterator DownloadSlots::NextInTurn() {
  bool full = begun_.size() >= kBegunMax;
  return std::find_if(queue_.begin(), queue_.end(),
                      [full](const Queued &queued) { return queued.again || !full; });
}

std::list<DownloadSlots::Queued>::iterator DownloadSlots::FindQueued(const Turn *turn) {
  return std::find_if(queue_.begin(), queue_.end(),
                      [turn](const Queued &queued) { return queued.turn.get() == turn; });
}

std::list<DownloadSlots::Begun>::iterator DownloadSlots::FindBegun(const Turn *turn) {
  return std::find_if(begun_.begin(), begun_.end(),
                      [turn](const Begun &begun) { return begun.turn.get() == turn; });
}

void DownloadSlots::TakeSlot(std::list<Begun>::iterator begun) {
  begun->has_slot = false;
  running_--;
}

} // namespace iotkit
