#include "runtime.h"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "sdk/session.h"

namespace iotkit {

namespace {

// Enough for OpenSSL's deepest handshake; only touched pages cost memory.
constexpr size_t kStackBytes = size_t{512} * 1024;
// How long process exit waits for threads. Only a disk that does not answer takes longer, and is
// then left behind.
constexpr std::chrono::milliseconds kExitWait{2000};

struct ThreadStart {
  void (*run)(void *);
  void *arg;
};

// Without memory there is no limit, and soon no addon.
iotkit_limiter_t *NewLimiter() {
  iotkit_limiter_t *limiter = nullptr;
  iotkit_limiter_new(0, &limiter);
  return limiter;
}

} // namespace

Runtime::Runtime() : limiter(NewLimiter()) {}

Runtime &Runtime::Get() {
  static Runtime *const runtime = new Runtime;
  return *runtime;
}

int Runtime::StartThread(iotkit_thread_t **out, const char *name, void (*run)(void *), void *arg) {
  static std::once_flag once;
  std::call_once(once, [] {
    // OpenSSL's exit handler must be there first: handlers run in reverse, and ours ends the
    // threads that use it.
    iotkit_tls_source();
    std::atexit(Stop);
#ifndef __APPLE__             // which has no such function
    std::at_quick_exit(Stop); // the way Bun ends
#endif
  });
  auto start = std::make_unique<ThreadStart>(ThreadStart{run, arg});
  counters.threads++;
  int rc = iotkit_thread_start(out, name, kStackBytes, RunThread, start.get());
  if (rc < 0) {
    counters.threads--;
  } else {
    static_cast<void>(start.release()); // the thread's now
  }
  return rc;
}

void Runtime::RunThread(void *arg) {
  std::unique_ptr<ThreadStart> start(static_cast<ThreadStart *>(arg));
  start->run(start->arg);
  Runtime &runtime = Get();
  std::lock_guard<std::mutex> lock(runtime.exit_mutex_);
  runtime.counters.threads--;
  runtime.thread_ended_.notify_all();
}

// process.exit() in the main thread runs no cleanup hooks, but it runs exit handlers.
void Runtime::Stop() {
  Runtime &runtime = Get();
  runtime.slots.AbortAll();
  runtime.io.Interrupt();
  sdk::Handles::Get().StopAll();
  std::unique_lock<std::mutex> lock(runtime.exit_mutex_);
  runtime.thread_ended_.wait_for(lock, kExitWait, [&] { return runtime.counters.threads == 0; });
}

} // namespace iotkit
