// endpoint.h - a handle of the published C API, and the thread that makes its blocking calls.
#ifndef IOTKIT_NATIVE_PUBLISHED_ENDPOINT_H
#define IOTKIT_NATIVE_PUBLISHED_ENDPOINT_H

#include <iotkit.h>
#include <napi.h>

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>

#include "runtime/mailbox.h"

namespace iotkit::published {

class Endpoint;

// How often a thread that has not yet ended is interrupted again (see Ota::Interrupt).
constexpr std::chrono::milliseconds kInterruptAgain{20};

// Keeps endpoints until they are closed. JS thread only.
class Keeper {
 public:
  virtual ~Keeper() = default;
  virtual Napi::Env env() const = 0;
  virtual const std::shared_ptr<Mailbox> &mailbox() const = 0;
  // Drops the reference to an endpoint that is closed.
  virtual void Forget(Endpoint *endpoint) = 0;
};

// Something that JavaScript is to hear, in the order in which it happened. Made on any thread,
// delivered and destroyed on the JS thread.
class Item {
 public:
  Item() = default;
  Item(const Item &) = delete;
  Item &operator=(const Item &) = delete;
  virtual ~Item() = default;
  virtual void Deliver(Napi::Env env) = 0;
};

// A blocking call and its promise. Made on the JS thread, Run on the endpoint's, then delivered
// like any item: so events from inside the call reach JavaScript before its promise settles. It
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

// Made on the JS thread, destroyed there by its keeper. At most one thread, from its first blocking
// call on, which makes one call after the other. Closing is a call like others, so nothing uses the
// C handle after it.
class Endpoint : public Source {
 public:
  Endpoint(Keeper *keeper, const char *thread_name);

  // JS thread. Queues a call for the thread; returns its promise.
  napi_value Start(std::unique_ptr<Call> call);
  bool has_thread() const { return thread_ != nullptr; }
  // The environment ends: waits for the thread, drops all calls, closes the C handle.
  virtual void Shutdown();
  // The JS object was collected.
  virtual void Drop() = 0;

  // Any thread.
  void Push(std::unique_ptr<Item> item);
  // Lets the running call return soon.
  virtual void Interrupt() = 0;
  // No further call is run; the thread ends.
  void Halt();

 protected:
  // Closes the C handle, if it is open. The endpoint's thread, or the JS thread where there is
  // none.
  virtual void CloseHandle() = 0;
  // JS thread: the last call has been delivered.
  void End();

  Keeper *const keeper_;

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
  std::list<std::unique_ptr<Call>> calls_;
  std::list<std::unique_ptr<Item>> items_;
  bool halted_ = false;
  bool running_ = false;
};

} // namespace iotkit::published

#endif
