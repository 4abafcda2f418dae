// slot_share.h - what a running download does with its slot.
#ifndef IOTKIT_NATIVE_DOWNLOAD_SLOT_SHARE_H
#define IOTKIT_NATIVE_DOWNLOAD_SLOT_SHARE_H

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "runtime/download_slots.h"

namespace iotkit {

// A slot is for receiving. A download that receives nothing or next to nothing, because its server
// is silent, because it waits for its next try or for its consumer, or because it is paused, gives
// its slot away and keeps its threads and its connection, which it goes on driving, so that
// time-outs run. With the first bytes that come then it queues for another slot, and receives no
// more until it has one. So servers that are slow take turns with others.
//
// The receiving thread owns the slot: nobody else gives it away.
class SlotShare final {
 public:
  // So long too little comes before a slot is given away: a short delay is no reason to.
  static constexpr uint32_t kStallMs = 1000;
  // What is too little.
  static constexpr uint64_t kSlowBytesPerSecond = 4096;

  // `on_queued`: true, on the receiving thread, as it begins to wait for another slot; false when it
  // has one.
  SlotShare(const Turn *turn, std::function<void(bool queued)> on_queued)
      : turn_(turn), on_queued_(std::move(on_queued)) {}
  SlotShare(const SlotShare &) = delete;
  SlotShare &operator=(const SlotShare &) = delete;

  // The receiving thread. It starts with a slot, or with a place among those that copy what another
  // download has received: that is given away in the same way.
  // Before it copies: waits while the download is paused. Returns at once after Stop.
  void AwaitResume();
  // It could not copy, and is to receive: with a slot.
  void WantSlot();
  // Before it receives: waits while the download is paused, and for a slot, if bytes have come
  // without one. Returns at once after Stop.
  void Await();
  // After it has received: bytes, or none in the time of a fetch.
  void GotBytes(uint64_t count);
  void GotNothing();
  // A try has failed, and the next one is not due yet.
  void Retrying() { retrying_ = true; }
  // It is about to wait for somebody else, and has waited for kStallMs already.
  void GiveAway();
  // That wait is over.
  void Touch();

  // Any thread.
  void SetPaused(bool paused);
  void Stop();
  // It has a slot again.
  void Grant();

 private:
  void AwaitSlot();
  bool HasTurn();
  void CheckPace();

  const Turn *const turn_;
  const std::function<void(bool queued)> on_queued_;

  // Receiving thread.
  bool has_slot_ = true;
  bool wants_slot_ = false;
  bool retrying_ = false;
  uint64_t since_ms_ = 0; // the current measurement of its pace began; 0: none has
  uint64_t bytes_ = 0;    // since then

  std::mutex mutex_; // of the following
  std::condition_variable changed_;
  bool granted_ = false;
  bool paused_ = false;
  bool stopped_ = false;
};

} // namespace iotkit

#endif
