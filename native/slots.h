// slots.h - how many downloads run at once in this process; the others wait their turn.
#ifndef IOTKIT_NATIVE_SLOTS_H
#define IOTKIT_NATIVE_SLOTS_H

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace iotkit {

class Transfer;

// Any thread. A transfer is waiting (no thread), running (has a slot) or neither. First come, first
// served.
class Slots final {
 public:
  static constexpr size_t kDefaultMax = 2;
  static constexpr size_t kLimit = 64;

  // A larger number lets waiting transfers start at once; a smaller one takes effect as running
  // ones end.
  void SetMax(size_t max);
  void Enter(std::shared_ptr<Transfer> transfer);
  // Takes a waiting transfer out: true, and it never starts. false: it runs, or has run.
  bool Withdraw(const Transfer *transfer);
  // By a running transfer's thread, as the last thing it does with its slot.
  void Leave(const Transfer *transfer);
  // Process exit: nothing starts any more and what runs is told to end.
  void AbortAll();
  size_t waiting();

 private:
  void StartWaiting(); // under the mutex

  std::mutex mutex_;
  std::deque<std::shared_ptr<Transfer>> waiting_;
  std::vector<std::shared_ptr<Transfer>> running_;
  size_t max_ = kDefaultMax;
  bool exiting_ = false;
};

} // namespace iotkit

#endif
