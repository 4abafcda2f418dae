// arguments.h - what the functions of the published C API are called with, and what they return.
#ifndef IOTKIT_NATIVE_PUBLISHED_ARGUMENTS_H
#define IOTKIT_NATIVE_PUBLISHED_ARGUMENTS_H

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "published/endpoint.h"
#include "published/session.h"
#include "runtime/environment.h"
#include "runtime/values.h"

namespace iotkit::published {

using Info = Napi::CallbackInfo;

// A function under the name by which lib/sdk calls it.
struct NamedFunction {
  const char *name;
  Napi::Value (*call)(const Info &info);
};

struct FunctionTable {
  const NamedFunction *functions;
  size_t count;
};

// A string argument, or NULL.
class Text final {
 public:
  explicit Text(Napi::Value value) {
    if (value.IsString()) text_ = value.As<Napi::String>().Utf8Value();
  }
  const char *c_str() const { return text_ ? text_->c_str() : nullptr; }
  const std::string *get() const { return text_ ? &*text_ : nullptr; }
  void Wipe() {
    if (text_) iotkit::Wipe(&*text_);
  }

 private:
  std::optional<std::string> text_;
};

inline Session *SessionOf(const Info &info) {
  return Environment::Of(info.Env())->Part<Session>();
}

inline int Int(const Info &info, size_t at) {
  return info[at].As<Napi::Number>().Int32Value();
}

inline Napi::Value Return(const Info &info, int value) {
  return Napi::Number::New(info.Env(), value);
}

// ---- handles: an External that holds a reference to an endpoint ----

inline Napi::Value Wrap(Napi::Env env, std::shared_ptr<Endpoint> endpoint) {
  using Reference = std::shared_ptr<Endpoint>;
  return Napi::External<Reference>::New(env, new Reference(std::move(endpoint)),
                                        [](Napi::BasicEnv, Reference *reference) {
                                          (*reference)->Drop();
                                          delete reference;
                                        });
}

// NULL for null.
template <typename T>
T *EndpointOf(const Info &info, size_t at) {
  if (!info[at].IsExternal()) return nullptr;
  return static_cast<T *>(info[at].As<Napi::External<std::shared_ptr<Endpoint>>>().Data()->get());
}

// The memory of an Uint8Array, or NULL. Valid while no JavaScript runs.
struct Bytes {
  explicit Bytes(Napi::Value value) {
    if (!value.IsTypedArray()) return;
    auto array = value.As<Napi::Uint8Array>();
    data = array.Data();
    length = array.ByteLength();
  }
  uint8_t *data = nullptr;
  size_t length = 0;
};

} // namespace iotkit::published

#endif
