// values.h - reading arguments that lib/ has checked, and returning failures.
#ifndef IOTKIT_NATIVE_RUNTIME_VALUES_H
#define IOTKIT_NATIVE_RUNTIME_VALUES_H

#include <iotkit.h>
#include <napi.h>

#include <cstring>
#include <string>

namespace iotkit {

// "" for what is no string.
inline std::string TextOf(Napi::Value value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

// JS thread. lib/ checks every option, so a value of another type counts as absent; it is no
// error.
class JsOptions final {
 public:
  explicit JsOptions(Napi::Object object) : object_(object) {}

  std::string Text(const char *key) const { return TextOf(Get(key)); }
  uint32_t Number(const char *key) const {
    Napi::Value value = Get(key);
    return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
  }
  double Float(const char *key) const {
    Napi::Value value = Get(key);
    return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  }
  bool Flag(const char *key) const {
    Napi::Value value = Get(key);
    return value.IsBoolean() && value.As<Napi::Boolean>().Value();
  }
  // Empty while the environment ends: nothing of JavaScript can be read then.
  Napi::Value Get(const char *key) const {
    return object_.IsEmpty() ? Napi::Value() : object_.Get(key);
  }

 private:
  Napi::Object object_;
};

// Whether it is an object that was given this tag: one of ours, and of the right class.
inline bool HasTag(Napi::Value value, const napi_type_tag &tag) {
  bool has = false;
  return value.IsObject() &&
         napi_check_object_type_tag(value.Env(), value, &tag, &has) == napi_ok && has;
}

// An empty string means: option not set, which is NULL for the C SDK.
inline const char *OrNull(const std::string &text) {
  return text.empty() ? nullptr : text.c_str();
}

// A speed limit as lib/ gives it: a whole number of up to 2^53, which Uint32Value would cut.
inline uint64_t BytesPerSecond(Napi::Value value) {
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue()) : 0;
}

// An ArrayBuffer with these bytes; empty while the environment ends.
inline Napi::Value CopyOf(Napi::Env env, const void *bytes, size_t length) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, length);
  if (buffer.IsEmpty()) return buffer;
  if (length > 0) std::memcpy(buffer.Data(), bytes, length);
  return buffer;
}

// {errno, detail}, of which lib/ makes an error.
inline Napi::Value Failure(Napi::Env env, int error, const char *detail) {
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("errno", Napi::Number::New(env, error));
  failure.Set("detail", Napi::String::New(env, detail == nullptr ? "" : detail));
  return failure;
}

// Overwrites what was a secret.
inline void Wipe(void *secret, size_t len) {
  volatile char *bytes = static_cast<char *>(secret);
  for (size_t i = 0; i < len; i++)
    bytes[i] = 0;
}
inline void Wipe(std::string *secret) {
  Wipe(secret->data(), secret->size());
}

} // namespace iotkit

#endif
