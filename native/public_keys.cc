#include "public_keys.h"

#include "addon.h"
#include "values.h"

namespace iotkit {

namespace {

// Tells our objects from everybody else's.
constexpr napi_type_tag kTag = {0x2f8e61c7d05b4a93, 0xc94b7a1e583d2f06};

} // namespace

void PublicKeys::Define(Napi::Env env, Addon *addon) {
  addon->public_keys = Napi::Persistent(DefineClass(env, "PublicKeys", {}));
}

Napi::Value PublicKeys::Create(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string pem = info[0].As<Napi::String>().Utf8Value();
  iotkit_keys_t *keys = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_keys_new(pem.data(), pem.size(), &keys, detail);
  if (rc < 0) return Failure(env, rc, detail);

  Napi::Object object = Addon::Of(env)->public_keys.New({});
  PublicKeys *wrapped = object.IsEmpty() ? nullptr : Unwrap(object);
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
  bool ours = false;
  if (!value.IsObject() ||
      napi_check_object_type_tag(value.Env(), value, &kTag, &ours) != napi_ok || !ours) {
    return false;
  }
  PublicKeys *wrapped = Unwrap(value.As<Napi::Object>());
  if (wrapped == nullptr) return false;
  *out = wrapped->keys_;
  return *out != nullptr;
}

} // namespace iotkit
