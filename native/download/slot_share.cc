#include "download/slot_share.h"

#include <iotkit.h>

#include "runtime/runtime.h"

namespace iotkit {

void SlotShare::WantSlot() {
  has_slot_ = false;
  wants_slot_ = true;
}

void SlotShare::Await() {
  if (since_ms_ == 0) Touch();
  AwaitResume();
  if (wants_slot_) AwaitSlot();
}

void SlotShare::AwaitResume() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!paused_ || stopped_) return;
  }
  GiveAway();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !paused_ || stopped_; });
  }
  Touch();
}

void SlotShare::AwaitSlot() {
  wants_slot_ = false;
  Runtime::Get().slots.Ask(turn_);
  bool queued = !HasTurn();
  if (queued) on_queued_(true);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return granted_ || stopped_; });
    has_slot_ = granted_;
    granted_ = false;
  }
  if (queued && has_slot_) on_queued_(false);
  Touch();
}

bool SlotShare::HasTurn() {
  std::lock_guard<std::mutex> lock(mutex_);
  return granted_ || stopped_;
}

void SlotShare::GotBytes(uint64_t count) {
  bytes_ += count;
  retrying_ = false;
  CheckPace();
  wants_slot_ = !has_slot_;
}

void SlotShare::GotNothing() {
  if (retrying_) {
    GiveAway();
  } else {
    CheckPace();
  }
}

void SlotShare::CheckPace() {
  uint64_t elapsed_ms = iotkit_now_ms() - since_ms_;
  if (elapsed_ms < kStallMs) return;
  if (bytes_ * 1000 < kSlowBytesPerSecond * elapsed_ms) GiveAway();
  Touch();
}

void SlotShare::GiveAway() {
  if (!has_slot_) return;
  has_slot_ = false;
  Runtime::Get().slots.Give(turn_);
}

void SlotShare::Touch() {
  since_ms_ = iotkit_now_ms();
  bytes_ = 0;
}

void SlotShare::SetPaused(bool paused) {
  std::lock_guard<std::mutex> lock(mutex_);
  paused_ = paused;
  changed_.notify_all();
}

void SlotShare::Stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void SlotShare::Grant() {
  std::lock_guard<std::mutex> lock(mutex_);
  granted_ = true;
  changed_.notify_all();
}

} // namespace iotkit
