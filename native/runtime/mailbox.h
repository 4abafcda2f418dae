// mailbox.h - the way from threads to JavaScript.
#ifndef IOTKIT_NATIVE_RUNTIME_MAILBOX_H
#define IOTKIT_NATIVE_RUNTIME_MAILBOX_H

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

namespace iotkit {

// An object that has news for JavaScript from time to time. Deliver runs on the JS thread; the rest
// belongs to the mailbox. A source keeps only its latest state or a bounded queue, so that a busy
// JS thread costs no memory.
class Source : public std::enable_shared_from_this<Source> {
 public:
  Source() = default;
  Source(const Source &) = delete;
  Source &operator=(const Source &) = delete;
  virtual ~Source() = default;

  virtual void Deliver(Napi::Env env) = 0;

 private:
  friend class Mailbox;
  bool posted_ = false; // guarded by the mailbox's mutex
};

// One per environment, with its one thread-safe function. Post: any thread, never blocks. The rest:
// the JS thread. The function is called only when the list of sources goes from empty to not empty.
class Mailbox final {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox &) = delete;
  Mailbox &operator=(const Mailbox &) = delete;

  bool Open(Napi::Env env);
  void Post(std::shared_ptr<Source> source);
  // Afterwards no thread touches the thread-safe function, which ends with its environment.
  void Close();

  // Each Hold keeps the event loop alive until its Drop.
  void Hold();
  void Drop();
  int holds() const { return holds_; }

 private:
  static void Call(napi_env env, napi_value callback, void *context, void *data);
  void Drain(Napi::Env env);

  std::mutex mutex_;
  std::vector<std::shared_ptr<Source>> ready_;
  napi_threadsafe_function function_ = nullptr;
  napi_env env_ = nullptr;
  bool closed_ = true;
  int holds_ = 0; // JS thread only
};

// Calls a function of lib/. What it throws becomes an uncaught exception; in a dying environment
// nothing is called.
void Invoke(const Napi::FunctionReference &callback, std::initializer_list<napi_value> args);
// Likewise a method of an object, found by its name each time: for objects of which there are thousands.
void Invoke(const Napi::ObjectReference &object, const char *method,
            std::initializer_list<napi_value> args);

} // namespace iotkit

#endif
