// io_thread.h - the one thread that drives every MQTT connection of the process.
#ifndef IOTKIT_NATIVE_RUNTIME_IO_THREAD_H
#define IOTKIT_NATIVE_RUNTIME_IO_THREAD_H

#include <iotkit.h>

#include <mutex>

namespace iotkit {

// JS threads acquire and release it; the thread runs as long as somebody has it. The thread itself
// never takes the mutex, so joining it under the mutex cannot deadlock.
class IoThread final {
 public:
  // Starts a thread that runs run(arg); see Runtime::StartThread.
  using StartThread = int (*)(iotkit_thread_t **out, const char *name, void (*run)(void *),
                              void *arg);

  explicit IoThread(StartThread start_thread) : start_thread_(start_thread) {}

  // The loop, running. IK_ETHREAD, IK_ENO_MEMORY.
  int Acquire(iotkit_loop_t **out);
  // The last one stops and joins the thread.
  void Release();
  // Process exit: lets the loop end, waits for nothing.
  void Interrupt();

 private:
  static void Run(void *loop);

  const StartThread start_thread_;
  std::mutex mutex_;
  iotkit_loop_t *loop_ = nullptr;
  iotkit_thread_t *thread_ = nullptr;
  int users_ = 0;
};

} // namespace iotkit

#endif
