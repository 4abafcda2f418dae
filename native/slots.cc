#include "slots.h"

#include <algorithm>

#include "transfer.h"

namespace iotkit {

void Slots::SetMax(size_t max) {
  std::lock_guard<std::mutex> lock(mutex_);
  max_ = std::clamp<size_t>(max, 1, kLimit);
  StartWaiting();
}

void Slots::Enter(std::shared_ptr<Transfer> transfer) {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(std::move(transfer));
  StartWaiting();
}

bool Slots::Withdraw(const Transfer *transfer) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto is_it = [transfer](const auto &other) { return other.get() == transfer; };
  auto found = std::find_if(waiting_.begin(), waiting_.end(), is_it);
  if (found == waiting_.end()) return false;
  waiting_.erase(found);
  return true;
}

void Slots::Leave(const Transfer *transfer) {
  std::shared_ptr<Transfer> last; // the mutex is released before what may be the last reference
  std::lock_guard<std::mutex> lock(mutex_);
  auto is_it = [transfer](const auto &other) { return other.get() == transfer; };
  auto found = std::find_if(running_.begin(), running_.end(), is_it);
  if (found != running_.end()) {
    last = std::move(*found);
    running_.erase(found);
  }
  StartWaiting();
}

void Slots::AbortAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  exiting_ = true;
  for (const auto &transfer : running_)
    transfer->Interrupt();
}

size_t Slots::waiting() {
  std::lock_guard<std::mutex> lock(mutex_);
  return waiting_.size();
}

void Slots::StartWaiting() {
  while (!exiting_ && running_.size() < max_ && !waiting_.empty()) {
    std::shared_ptr<Transfer> next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next->StartThread()) running_.push_back(std::move(next));
  }
}

} // namespace iotkit
