// runtime.h - what the process has once, however many environments use it.
#ifndef IOTKIT_NATIVE_RUNTIME_H
#define IOTKIT_NATIVE_RUNTIME_H

#include <iotkit.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "io_thread.h"
#include "slots.h"

namespace iotkit {

// Live objects of the process, for diagnostics and leak tests.
struct Counters {
  std::atomic<int> environments{0};
  std::atomic<int> devices{0};
  std::atomic<int> jobs{0};
  std::atomic<int> transfers{0};
  std::atomic<int> threads{0};
  std::atomic<int> lent{0};
};

// Any thread. Made at first use and never destroyed: threads may still run while the process exits,
// so its end is an exit handler that stops them (see Stop) and not a destructor that pulls the
// ground from under them.
class Runtime final {
 public:
  static Runtime &Get();

  IoThread io;
  Slots slots;
  Counters counters;
  // Of all downloads of all devices.
  iotkit_limiter_t *const limiter;

  // Starts a thread that is counted and that process exit waits for. IK_ETHREAD when the system
  // refuses.
  int StartThread(iotkit_thread_t **out, const char *name, void (*run)(void *), void *arg);

 private:
  Runtime();
  static void RunThread(void *arg);
  static void Stop();

  std::mutex exit_mutex_;
  std::condition_variable thread_ended_;
};

} // namespace iotkit

#endif
