// runtime.h - what the process has once, however many environments use it.
#ifndef IOTKIT_NATIVE_RUNTIME_RUNTIME_H
#define IOTKIT_NATIVE_RUNTIME_RUNTIME_H

#include <iotkit.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "runtime/download_slots.h"
#include "runtime/io_thread.h"

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
// so it ends with an exit handler that stops them (see Stop) and not with a destructor, after which
// they would use what is gone.
class Runtime final {
 public:
  static Runtime &Get();

  IoThread io;
  DownloadSlots slots;
  Counters counters;
  // Of all downloads of all devices.
  iotkit_limiter_t *const limiter;
  // Whether a download that begins gets a second thread, which digests: see Transfer.
  std::atomic<bool> digests_beside{false};

  // Starts a thread that is counted and that process exit waits for. IK_ETHREAD when the system
  // refuses.
  int StartThread(iotkit_thread_t **out, const char *name, void (*run)(void *), void *arg);
  // Process exit calls interrupt() before it waits for threads. Before the first thread that needs
  // it; interrupt() may be called on any thread, and must not wait.
  void AtExit(void (*interrupt)());

 private:
  Runtime();
  static void RunThread(void *arg);
  static void Stop();
  void InterruptAll();
  void AwaitThreads();

  std::mutex exit_mutex_; // of the following
  std::condition_variable thread_ended_;
  std::vector<void (*)()> at_exit_;
};

} // namespace iotkit

#endif
