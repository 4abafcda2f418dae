#include "device/registration.h"

#include <mutex>
#include <set>

#include "runtime/environment.h"
#include "runtime/option_table.h"
#include "runtime/runtime.h"
#include "trust/tls_context.h"

namespace iotkit {

namespace {

constexpr Option kRegisterOptions[] = {
    IOTKIT_NUMBER(iotkit_register_options, kind, kind),
    IOTKIT_TEXT(iotkit_register_options, host, host, kTextNeverNull),
    IOTKIT_NUMBER(iotkit_register_options, port, port),
    IOTKIT_TEXT(iotkit_register_options, productKey, product_key, kText),
    IOTKIT_TEXT(iotkit_register_options, productSecret, product_secret, kText),
    IOTKIT_TEXT(iotkit_register_options, deviceName, device_name, kText),
    IOTKIT_TEXT(iotkit_register_options, clientId, client_id, kText),
    IOTKIT_TEXT(iotkit_register_options, instanceId, instance_id, kText),
    IOTKIT_NUMBER(iotkit_register_options, signMethod, method),
    IOTKIT_NUMBER(iotkit_register_options, connectTimeoutMs, connect_timeout_ms),
    IOTKIT_NUMBER(iotkit_register_options, answerTimeoutMs, answer_timeout_ms),
    IOTKIT_TEXT(iotkit_register_options, credentialsFile, credentials_file, kText),
};

// Those that run, for the end of the process. Never destroyed, like Runtime.
class Running final {
 public:
  static Running &Get() {
    static Running *const running = new Running;
    return *running;
  }
  void Add(Registration *registration) {
    std::lock_guard<std::mutex> lock(mutex_);
    registrations_.insert(registration);
  }
  void Remove(Registration *registration) {
    std::lock_guard<std::mutex> lock(mutex_);
    registrations_.erase(registration);
  }

 private:
  Running() {
    Runtime::Get().AtExit([] { Get().InterruptAll(); });
  }
  void InterruptAll() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Registration *registration : registrations_)
      registration->Interrupt();
  }

  std::mutex mutex_;
  std::set<Registration *> registrations_;
};

} // namespace

Registration::Registration(Environment *environment, Napi::Function on_end)
    : Closing(EndRank::kConnection), environment_(environment), mailbox_(environment->mailbox()),
      on_end_(Napi::Persistent(on_end)) {}

Registration::~Registration() {
  iotkit_registration_free(registration_);
}

// ---- JS thread ----

int Registration::Start(const iotkit_register_options &options, char *detail) {
  int rc = iotkit_registration_new(&options, &registration_, detail);
  if (rc < 0) return rc;
  Running::Get().Add(this);
  rc = Runtime::Get().StartThread(&thread_, "iotkit-reg", RunThread, this);
  if (rc < 0) {
    Running::Get().Remove(this);
    return rc;
  }
  environment_->Keep(std::static_pointer_cast<Registration>(shared_from_this()));
  mailbox_->Hold();
  held_ = true;
  return 0;
}

// Also by the exit handler, on its thread.
void Registration::Interrupt() {
  iotkit_registration_interrupt(registration_);
}

void Registration::Join() {
  if (thread_ == nullptr) return;
  iotkit_thread_join(thread_);
  thread_ = nullptr;
  Running::Get().Remove(this);
}

void Registration::AwaitEnd() {
  Join();
  End();
}

void Registration::End() {
  if (held_) mailbox_->Drop();
  held_ = false;
  on_end_.Reset();
}

Napi::Value Registration::Result(Napi::Env env) const {
  const iotkit_credentials *got = iotkit_registration_credentials(registration_);
  if (got == nullptr) return env.Undefined();
  Napi::Object credentials = Napi::Object::New(env);
  credentials.Set("productKey", Napi::String::New(env, got->product_key));
  credentials.Set("deviceName", Napi::String::New(env, got->device_name));
  credentials.Set("deviceSecret", Napi::String::New(env, got->device_secret));
  credentials.Set("clientId", Napi::String::New(env, got->client_id));
  credentials.Set("deviceToken", Napi::String::New(env, got->device_token));
  return credentials;
}

void Registration::Deliver(Napi::Env env) {
  auto self = shared_from_this();
  Join();
  Napi::FunctionReference on_end = std::move(on_end_);
  Napi::Value detail = Napi::String::New(env, iotkit_registration_detail(registration_));
  Napi::Value result = result_ == 0 ? Result(env) : env.Undefined();
  End();
  environment_->Forget(this);
  Invoke(on_end, {Napi::Number::New(env, result_), detail, result});
}

// ---- the thread ----

void Registration::RunThread(void *self) {
  static_cast<Registration *>(self)->Run();
}

void Registration::Run() {
  result_ = iotkit_registration_wait(registration_, UINT32_MAX);
  // What is registered by then counts, although the connection is not closed in order.
  if (result_ == IK_EINTERRUPTED)
    result_ = iotkit_registration_result(registration_) == 0 ? 0 : static_cast<int>(IK_EABORTED);
  mailbox_->Post(shared_from_this());
}

// ---- its object ----

void RegistrationHandle::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<RegistrationHandle>(
      DefineClass(env, "Registration", {InstanceMethod<&RegistrationHandle::Abort>("abort")}));
}

Napi::Value RegistrationHandle::Start(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  OptionTexts texts;
  JsOptions given(info[0].As<Napi::Object>());
  iotkit_register_options options = {};
  if (!TlsContext::Read(given.Get("tls"), &options.tls))
    return Failure(env, IK_EINVALID_ARGUMENT, "tls");
  ReadOptions(given, kRegisterOptions, &options, &texts);
  options.struct_size = sizeof(options);

  char detail[IOTKIT_DETAIL_MAX] = "";
  auto registration =
      std::make_shared<Registration>(Environment::Of(env), info[1].As<Napi::Function>());
  int rc = registration->Start(options, detail);
  if (rc < 0) return Failure(env, rc, detail);

  RegistrationHandle *handle = nullptr;
  Napi::Object object = Environment::Of(env)->New(&handle);
  if (handle == nullptr) {
    registration->Interrupt();
  } else {
    handle->registration_ = std::move(registration);
  }
  return object;
}

void RegistrationHandle::Abort(const Napi::CallbackInfo & /*info*/) {
  registration_->Interrupt();
}

} // namespace iotkit
