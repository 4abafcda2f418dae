// registration.h - one registration of a device, with a thread of its own.
#ifndef IOTKIT_NATIVE_DEVICE_REGISTRATION_H
#define IOTKIT_NATIVE_DEVICE_REGISTRATION_H

#include <iotkit.h>
#include <napi.h>

#include <memory>

#include "runtime/closing.h"
#include "runtime/mailbox.h"
#include "runtime/wrapped.h"

namespace iotkit {

class Environment;

// Made, aborted and ended on the JS thread; Run is the thread's. The C registration is made before
// the thread and freed after it, so that both may interrupt it without a lock. A registration takes
// seconds, once in a device's life: a thread is cheap enough, and files may block it.
class Registration final : public Source, public Closing {
 public:
  Registration(Environment *environment, Napi::Function on_end);
  ~Registration() override;

  // 0, or why it did not begin; then it is not kept, and onEnd is not called.
  int Start(const iotkit_register_options &options, char *detail);

  // Any thread.
  void Interrupt() override;
  void AwaitEnd() override;

 private:
  static void RunThread(void *self);
  void Run();
  void Deliver(Napi::Env env) override;
  void Join();
  void End();
  Napi::Value Result(Napi::Env env) const;

  Environment *const environment_;
  const std::shared_ptr<Mailbox> mailbox_;
  Napi::FunctionReference on_end_;
  iotkit_registration_t *registration_ = nullptr;
  iotkit_thread_t *thread_ = nullptr;
  bool held_ = false; // the event loop
  int result_ = 0;    // the thread's, until it was joined
};

// JS thread only. A collected object changes nothing: the registration runs to its end.
//   abort()
class RegistrationHandle final : public ObjectWrap<RegistrationHandle> {
 public:
  explicit RegistrationHandle(const Napi::CallbackInfo & /*info*/) {}
  static void Define(Napi::Env env, Environment *environment);
  // (options, onEnd(errno, detail, credentials?))
  static Napi::Value Start(const Napi::CallbackInfo &info);

 private:
  void Abort(const Napi::CallbackInfo &info);

  std::shared_ptr<Registration> registration_;
};

} // namespace iotkit

#endif
