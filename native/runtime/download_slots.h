// download_slots.h - how many downloads receive at once in this process; the others wait their turn.
#ifndef IOTKIT_NATIVE_RUNTIME_DOWNLOAD_SLOTS_H
#define IOTKIT_NATIVE_RUNTIME_DOWNLOAD_SLOTS_H

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

namespace iotkit {

// A download that waits for a slot, or has begun. DownloadSlots calls these under its mutex.
class Turn {
 public:
  virtual ~Turn() = default;

  // Its first turn has come. false: it failed to start, and needs no slot.
  virtual bool StartTurn() = 0;
  // Its turn has come again, after it gave its slot away and asked for another.
  virtual void ResumeTurn() = 0;
  // Makes one that has begun end soon; does not wait.
  virtual void Interrupt() = 0;
};

// Any thread. First come, first served.
//
//   turn      slot  queued  thread
//   waiting    -      x       -     Enter. Its turn comes → running
//   running    x      -       x     Give → idle, Leave → gone
//   idle       -      -       x     receives nothing, so others may. Ask → waiting again
//   waiting    -      x       x     again. Its turn comes → running, Leave → gone
class DownloadSlots final {
 public:
  static constexpr size_t kDefaultMax = 2;
  static constexpr size_t kLimit = 64;
  // Downloads that have begun and not ended, each with two threads and its buffers: so many may be
  // idle, with servers that do not answer, before the next one has to wait for one of them.
  static constexpr size_t kBegunMax = 128;

  // A larger number starts waiting turns right away; a smaller one takes effect as running ones
  // end.
  void SetMax(size_t max);
  void Enter(std::shared_ptr<Turn> turn);
  // Takes a turn that waits for the first time out: true, and it never starts. false: it has begun.
  bool Withdraw(const Turn *turn);
  // By a running turn's thread: its slot goes to the next.
  void Give(const Turn *turn);
  // By an idle turn's thread: it queues for a slot, at the end; ResumeTurn says that it has one.
  void Ask(const Turn *turn);
  // By the thread of a turn that has begun, as the last thing it does with its slot.
  void Leave(const Turn *turn);
  // Process exit: nothing starts any more, and what has begun is interrupted.
  void InterruptAll();
  // How many are queued.
  size_t waiting();

 private:
  struct Queued {
    std::shared_ptr<Turn> turn;
    bool again; // it has begun
  };
  struct Begun {
    std::shared_ptr<Turn> turn;
    bool has_slot;
  };

  // Under the mutex.
  void StartWaiting();
  std::list<Queued>::iterator NextInTurn();
  std::list<Queued>::iterator FindQueued(const Turn *turn);
  std::list<Begun>::iterator FindBegun(const Turn *turn);
  void TakeSlot(std::list<Begun>::iterator begun);

  std::mutex mutex_;
  std::list<Queued> queue_;
  std::list<Begun> begun_;
  size_t running_ = 0; // have a slot
  size_t max_ = kDefaultMax;
  bool exiting_ = false;
};

} // namespace iotkit

#endif
