// endpoint.h - a handle of the published C API, and the thread that makes its blocking calls.
#ifndef IOTKIT_NATIVE_SDK_ENDPOINT_H
#define IOTKIT_NATIVE_SDK_ENDPOINT_H

#include <iotkit.h>
#include <napi.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "../mailbox.h"

namespace iotkit::sdk {

class Session;

// Something for JavaScript, told in the order in which it happened. Made on any thread, destroyed
// on the JS thread.
class Item {
 public:
  Item() = default;
  Item(const Item &) = delete;
  Item &operator=(const Item &) = delete;
  virtual ~Item() = default;
  virtual void Deliver(Napi::Env env) = 0;
};

// A blocking call and its promise. Made on the JS thread, Run on the endpoint's, then delivered
// like any item: so what happened inside the call has been told before its promise settles. It
// keeps the event loop alive.
class Call : public Item {
 public:
  Call(Napi::Env env, std::shared_ptr<Mailbox> mailbox);
  ~Call() override;
  virtual void Run() = 0;
  napi_value promise() const { return promise_; }

 protected:
  virtual napi_value Result(Napi::Env env) = 0;

 private:
  void Deliver(Napi::Env env) final;

  const std::shared_ptr<Mailbox> mailbox_;
  napi_deferred deferred_ = nullptr;
  napi_value promise_ = nullptr; // valid in the scope that made the call
};

// Made and destroyed on the JS thread, by its Session. At most one thread, from its first blocking
// call on, which makes one call after the other. Closing is a call like others, so nothing uses the
// C handle after it.
class Endpoint : public Source {
 public:
  Endpoint(Session *session, const char *thread_name);

  // JS thread.
  void Start(std::unique_ptr<Call> call);
  bool has_thread() const { return thread_ != nullptr; }
  // The environment ends: waits for the thread, drops all calls, closes the C handle.
  virtual void Shutdown();
  // The JS object was collected.
  virtual void Drop() = 0;

  // Any thread.
  void Push(std::unique_ptr<Item> item);
  // Lets the running call return soon.
  virtual void Interrupt() = 0;
  // Nothing more is run; the thread ends.
  void Halt();

 protected:
  // Closes the C handle, if it is open. The endpoint's thread, or the JS thread where there is
  // none.
  virtual void CloseHandle() = 0;
  // JS thread: the last call has been told.
  void End();

  Session *const session_;

 private:
  static void RunThread(void *self);
  void Run();
  void Deliver(Napi::Env env) final;
  void Join();

  const char *const thread_name_;
  const std::shared_ptr<Mailbox> mailbox_;
  iotkit_thread_t *thread_ = nullptr; // JS thread

  std::mutex queue_mutex_; // of the following
  std::condition_variable queue_changed_;
  std::deque<std::unique_ptr<Call>> calls_;
  std::deque<std::unique_ptr<Item>> items_;
  bool halted_ = false;
  bool running_ = false;
};

} // namespace iotkit::sdk

#endif
