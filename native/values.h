// values.h - reading arguments that lib/ has checked, and telling failures.
#ifndef IOTKIT_NATIVE_VALUES_H
#define IOTKIT_NATIVE_VALUES_H

#include <iotkit.h>
#include <napi.h>

#include <string>

namespace iotkit {

// JS thread. lib/ checks every option, so a value of another type is read as absent and not
// complained about.
class Options final {
 public:
  explicit Options(Napi::Object object) : object_(object) {}

  std::string Text(const char *key) const {
    Napi::Value value = Get(key);
    return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  }
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

// NULL for "", which the C SDK reads as absent.
inline const char *OrNull(const std::string &text) {
  return text.empty() ? nullptr : text.c_str();
}

// A speed limit as lib/ gives it: a whole number of up to 2^53, which Uint32Value would cut.
inline uint64_t BytesPerSecond(Napi::Value value) {
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue()) : 0;
}

// {errno, detail}: lib/ makes the error of it.
inline Napi::Value Failure(Napi::Env env, int error, const char *detail) {
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("errno", Napi::Number::New(env, error));
  failure.Set("detail", Napi::String::New(env, detail == nullptr ? "" : detail));
  return failure;
}

// Overwrites what was a secret.
inline void Wipe(std::string *secret) {
  volatile char *bytes = secret->data();
  for (size_t i = 0; i < secret->size(); i++)
    bytes[i] = 0;
}

} // namespace iotkit

#endif
