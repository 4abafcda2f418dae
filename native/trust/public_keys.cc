#include "trust/public_keys.h"

#include "runtime/environment.h"
#include "runtime/values.h"

namespace iotkit {

namespace {

// Distinguishes our objects from all others.
constexpr napi_type_tag kTag = {0x2f8e61c7d05b4a93, 0xc94b7a1e583d2f06};

} // namespace

void PublicKeys::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<PublicKeys>(DefineClass(env, "PublicKeys", {}));
}

Napi::Value PublicKeys::Create(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string pem = info[0].As<Napi::String>().Utf8Value();
  iotkit_keys_t *keys = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_keys_new(pem.data(), pem.size(), &keys, detail);
  if (rc < 0) return Failure(env, rc, detail);

  PublicKeys *wrapped = nullptr;
  Napi::Object object = Environment::Of(env)->New(&wrapped);
  if (wrapped == nullptr) {
    iotkit_keys_unref(keys);
    return object;
  }
  wrapped->keys_ = keys;
  napi_type_tag_object(env, object, &kTag);
  return object;
}

bool PublicKeys::Read(Napi::Value value, iotkit_keys_t **out) {
  *out = nullptr;
  if (value.IsUndefined()) return true;
  PublicKeys *wrapped = HasTag(value, kTag) ? Unwrap(value.As<Napi::Object>()) : nullptr;
  if (wrapped != nullptr) *out = wrapped->keys_;
  return *out != nullptr;
}

} // namespace iotkit
