#include "runtime/mailbox.h"

namespace iotkit {

// At most one call waits while another runs (see Post); a larger number would be a bug.
constexpr size_t kMaxCalls = 4;

bool Mailbox::Open(Napi::Env env) {
  napi_value name;
  if (napi_create_string_utf8(env, "iotkit-ota", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, kMaxCalls, 1, nullptr, nullptr,
                                      this, Call, &function_) != napi_ok) {
    return false;
  }
  env_ = env;
  closed_ = false;
  return napi_unref_threadsafe_function(env, function_) == napi_ok;
}

void Mailbox::Post(std::shared_ptr<Source> source) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || source->posted_) return;
  source->posted_ = true;
  ready_.push_back(std::move(source));
  if (ready_.size() == 1) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void Mailbox::Close() {
  std::vector<std::shared_ptr<Source>> dropped;
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  dropped.swap(ready_);
}

void Mailbox::Hold() {
  if (holds_++ == 0 && !closed_) napi_ref_threadsafe_function(env_, function_);
}

void Mailbox::Drop() {
  if (--holds_ == 0 && !closed_) napi_unref_threadsafe_function(env_, function_);
}

void Mailbox::Call(napi_env env, napi_value /*callback*/, void *context, void * /*data*/) {
  if (env != nullptr) static_cast<Mailbox *>(context)->Drain(Napi::Env(env));
}

void Mailbox::Drain(Napi::Env env) {
  std::vector<std::shared_ptr<Source>> sources;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    sources.swap(ready_);
    for (const auto &source : sources)
      source->posted_ = false;
  }
  for (const auto &source : sources) {
    Napi::HandleScope scope(env);
    source->Deliver(env);
  }
}

namespace {

void CallAs(Napi::Env env, napi_value receiver, napi_value function,
            std::initializer_list<napi_value> args) {
  if (napi_call_function(env, receiver, function, args.size(), args.begin(), nullptr) !=
      napi_pending_exception) {
    return;
  }
  napi_value error;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

} // namespace

void Invoke(const Napi::FunctionReference &callback, std::initializer_list<napi_value> args) {
  if (callback.IsEmpty()) return;
  Napi::Env env = callback.Env();
  napi_value function = callback.Value();
  napi_value receiver;
  if (function == nullptr || napi_get_undefined(env, &receiver) != napi_ok) return;
  CallAs(env, receiver, function, args);
}

void Invoke(const Napi::ObjectReference &object, const char *method,
            std::initializer_list<napi_value> args) {
  if (object.IsEmpty()) return;
  Napi::Env env = object.Env();
  napi_value receiver = object.Value();
  napi_value function;
  if (receiver == nullptr || napi_get_named_property(env, receiver, method, &function) != napi_ok) {
    return;
  }
  CallAs(env, receiver, function, args);
}

} // namespace iotkit
