#include "runtime/environment.h"

#include "runtime/runtime.h"

namespace iotkit {

Environment::Environment(Napi::Env env) : env_(env) {
  Runtime::Get().counters.environments++;
}

Environment::~Environment() {
  if (!ended_) {
    napi_remove_env_cleanup_hook(env_, OnEnvironmentEnd, this);
    End();
  }
}

// The cleanup hook is added after that of the thread-safe function and so runs before it: hooks run
// in reverse order.
bool Environment::Open(Napi::Env env) {
  return mailbox_->Open(env) && napi_add_env_cleanup_hook(env_, OnEnvironmentEnd, this) == napi_ok;
}

void Environment::OnEnvironmentEnd(void *self) {
  static_cast<Environment *>(self)->End();
}

void Environment::End() {
  ended_ = true;
  mailbox_->Close();
  for (const Kept &kept : kept_)
    for (const auto &[key, closing] : kept)
      closing->Interrupt();
  for (const Kept &kept : kept_)
    for (const auto &[key, closing] : kept)
      closing->AwaitEnd();
  for (Kept &kept : kept_)
    kept.clear();
  Runtime::Get().counters.environments--;
}

void Environment::Keep(std::shared_ptr<Closing> closing) {
  const Closing *key = closing.get();
  KeptOf(key->rank()).emplace(key, std::move(closing));
}

void Environment::Forget(const Closing *closing) {
  KeptOf(closing->rank()).erase(closing);
}

void Environment::KeepClass(const void *key, Napi::Function constructor) {
  classes_.emplace_front(key, Napi::Persistent(constructor));
}

void *Environment::FindPart(const void *key) const {
  for (const auto &[other, part] : parts_)
    if (other == key) return part.get();
  return nullptr;
}

Napi::Object Environment::Construct(const void *key, std::initializer_list<napi_value> args) const {
  for (const auto &[other, constructor] : classes_)
    if (other == key) return constructor.New(args);
  return Napi::Object();
}

} // namespace iotkit
