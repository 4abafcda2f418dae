#include "published/endpoint.h"

#include <iotkit_iot.h>

#include "runtime/runtime.h"

namespace iotkit::published {

Call::Call(Napi::Env env, std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {
  napi_create_promise(env, &deferred_, &promise_);
  mailbox_->Hold();
}

Call::~Call() {
  mailbox_->Drop();
}

void Call::Deliver(Napi::Env env) {
  napi_value result = Result(env);
  if (result != nullptr) napi_resolve_deferred(env, deferred_, result);
}

Endpoint::Endpoint(Keeper *keeper, const char *thread_name)
    : keeper_(keeper), thread_name_(thread_name), mailbox_(keeper->mailbox()) {}

napi_value Endpoint::Start(std::unique_ptr<Call> call) {
  napi_value promise = call->promise();
  std::unique_lock<std::mutex> lock(queue_mutex_);
  if (thread_ == nullptr) {
    running_ = true;
    if (Runtime::Get().StartThread(&thread_, thread_name_, RunThread, this) < 0) {
      running_ = false;
      lock.unlock();
      Push(std::move(call)); // a call that never ran has a failure as its result
      return promise;
    }
  }
  calls_.push_back(std::move(call));
  queue_changed_.notify_all();
  return promise;
}

void Endpoint::Push(std::unique_ptr<Item> item) {
  {
    std::lock_guard<std::mutex> lock(queue_mutex_);
    items_.push_back(std::move(item));
  }
  mailbox_->Post(shared_from_this());
}

void Endpoint::Halt() {
  std::lock_guard<std::mutex> lock(queue_mutex_);
  halted_ = true;
  queue_changed_.notify_all();
}

void Endpoint::RunThread(void *self) {
  static_cast<Endpoint *>(self)->Run();
}

// To the C API all threads of a session are one: the JS thread, which makes one call after the other.
void Endpoint::Run() {
  iotkit_iot_act_for(keeper_);
  std::unique_lock<std::mutex> lock(queue_mutex_);
  for (;;) {
    queue_changed_.wait(lock, [this] { return halted_ || !calls_.empty(); });
    if (halted_) break;
    std::unique_ptr<Call> call = std::move(calls_.front());
    calls_.pop_front();
    lock.unlock();
    call->Run();
    Push(std::move(call));
    lock.lock();
  }
  running_ = false;
  queue_changed_.notify_all();
}

void Endpoint::Deliver(Napi::Env env) {
  auto self = shared_from_this();
  std::list<std::unique_ptr<Item>> items;
  {
    std::lock_guard<std::mutex> lock(queue_mutex_);
    items.swap(items_);
  }
  for (auto &item : items) {
    Napi::HandleScope scope(env);
    item->Deliver(env);
    item.reset();
  }
}

void Endpoint::Join() {
  if (thread_ == nullptr) return;
  Halt();
  {
    std::unique_lock<std::mutex> lock(queue_mutex_);
    while (!queue_changed_.wait_for(lock, kInterruptAgain, [this] { return !running_; })) {
      lock.unlock();
      Interrupt();
      lock.lock();
    }
  }
  iotkit_thread_join(thread_);
  thread_ = nullptr;
}

void Endpoint::Shutdown() {
  Interrupt();
  Join();
  calls_.clear();
  items_.clear();
  CloseHandle();
}

void Endpoint::End() {
  auto self = shared_from_this();
  Join();
  keeper_->Forget(this);
}

} // namespace iotkit::published
