#include "runtime/runtime.h"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace iotkit {

namespace {

// Enough for OpenSSL's deepest handshake; only touched pages cost memory.
constexpr size_t kStackBytes = size_t{512} * 1024;
// How long process exit waits for threads, which are told to end: long enough for a machine that has
// no time for them, since OpenSSL is torn down next. Only one that waits for a disk takes longer; it
// is then not waited for.
constexpr std::chrono::seconds kExitWait{10};

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

Runtime::Runtime()
    : io([](iotkit_thread_t **out, const char *name, void (*run)(void *), void *arg) {
        return Get().StartThread(out, name, run, arg);
      }),
      limiter(NewLimiter()) {}

Runtime &Runtime::Get() {
  static Runtime *const runtime = new Runtime;
  return *runtime;
}

int Runtime::StartThread(iotkit_thread_t **out, const char *name, void (*run)(void *), void *arg) {
  static std::once_flag once;
  std::call_once(once, [] {
    // OpenSSL's exit handler must be registered first: handlers run in reverse order, and ours ends
    // the threads that use OpenSSL.
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
  iotkit_tls_thread_stop(); // after the next lines process exit may tear OpenSSL down
  Runtime &runtime = Get();
  std::lock_guard<std::mutex> lock(runtime.exit_mutex_);
  runtime.counters.threads--;
  runtime.thread_ended_.notify_all();
}

void Runtime::AtExit(void (*interrupt)()) {
  std::lock_guard<std::mutex> lock(exit_mutex_);
  at_exit_.push_back(interrupt);
}

// process.exit() in the main thread runs no cleanup hooks, but it runs exit handlers.
void Runtime::Stop() {
  Get().InterruptAll();
  Get().AwaitThreads();
}

void Runtime::InterruptAll() {
  slots.InterruptAll();
  io.Interrupt();
  std::vector<void (*)()> others;
  {
    std::lock_guard<std::mutex> lock(exit_mutex_);
    others = at_exit_;
  }
  for (void (*interrupt)() : others)
    interrupt();
}

void Runtime::AwaitThreads() {
  std::unique_lock<std::mutex> lock(exit_mutex_);
  thread_ended_.wait_for(lock, kExitWait, [this] { return counters.threads == 0; });
}

} // namespace iotkit
