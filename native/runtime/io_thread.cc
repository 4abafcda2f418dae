#include "runtime/io_thread.h"

namespace iotkit {

int IoThread::Acquire(iotkit_loop_t **out) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (users_ == 0) {
    int rc = iotkit_loop_new(&loop_);
    if (rc < 0) return rc;
    rc = start_thread_(&thread_, "iotkit-io", Run, loop_);
    if (rc < 0) {
      iotkit_loop_free(loop_);
      loop_ = nullptr;
      return rc;
    }
  }
  users_++;
  *out = loop_;
  return 0;
}

void IoThread::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (--users_ > 0) return;
  iotkit_loop_stop(loop_);
  iotkit_thread_join(thread_);
  iotkit_loop_free(loop_);
  thread_ = nullptr;
  loop_ = nullptr;
}

void IoThread::Interrupt() {
  // A JS thread that is just releasing has the mutex and does the same.
  if (!mutex_.try_lock()) return;
  if (loop_ != nullptr) iotkit_loop_stop(loop_);
  mutex_.unlock();
}

void IoThread::Run(void *loop) {
  iotkit_loop_run(static_cast<iotkit_loop_t *>(loop));
}

} // namespace iotkit
