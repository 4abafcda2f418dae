#include "published/setup_functions.h"

#include <iot_export.h>

#include <iterator>
#include <mutex>
#include <utility>

namespace iotkit::published {

namespace {

// → [result, info | null]. Two environments must not set up one device at a time, and what C hands
// out is copied.
Napi::Value SetupConnInfo(const Info &info) {
  static std::mutex *const mutex = new std::mutex;
  Napi::Env env = info.Env();
  Text product_key(info[0]);
  Text device_name(info[1]);
  Text device_secret(info[2]);
  std::lock_guard<std::mutex> lock(*mutex);
  void *made = nullptr;
  int rc =
      IOT_SetupConnInfo(product_key.c_str(), device_name.c_str(), device_secret.c_str(), &made);
  device_secret.Wipe();
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, rc));
  result.Set(1u, env.Null());
  if (made == nullptr) return result;
  const auto *conn = static_cast<const iotx_conn_info_t *>(made);
  Napi::Object object = Napi::Object::New(env);
  object.Set("port", Napi::Number::New(env, conn->port));
  const std::pair<const char *, const char *> texts[] = {{"host_name", conn->host_name},
                                                         {"client_id", conn->client_id},
                                                         {"username", conn->username},
                                                         {"password", conn->password},
                                                         {"pub_key", conn->pub_key}};
  for (const auto &[key, text] : texts) {
    if (text == nullptr) {
      object.Set(key, env.Null());
    } else {
      object.Set(key, Napi::String::New(env, text));
    }
  }
  result.Set(1u, object);
  return result;
}

// (option, number | string | null) → [result, number]: what C wrote where the number stood
Napi::Value Ioctl(const Info &info) {
  Napi::Env env = info.Env();
  int number = info[1].IsNumber() ? Int(info, 1) : 0;
  Text text(info[1]);
  // The published type has no const; texts are only read.
  void *data = info[1].IsNumber() ? static_cast<void *>(&number) : const_cast<char *>(text.c_str());
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, IOT_Ioctl(Int(info, 0), data)));
  result.Set(1u, Napi::Number::New(env, number));
  return result;
}

Napi::Value SetLogLevel(const Info &info) {
  IOT_SetLogLevel(static_cast<IOT_LogLevel>(Int(info, 0)));
  return info.Env().Undefined();
}

Napi::Value DumpMemoryStats(const Info &info) {
  IOT_DumpMemoryStats(static_cast<IOT_LogLevel>(Int(info, 0)));
  return info.Env().Undefined();
}

constexpr NamedFunction kFunctions[] = {
    {"setupConnInfo", SetupConnInfo},
    {"ioctl", Ioctl},
    {"setLogLevel", SetLogLevel},
    {"dumpMemoryStats", DumpMemoryStats},
};

} // namespace

FunctionTable SetupFunctions() {
  return {kFunctions, std::size(kFunctions)};
}

} // namespace iotkit::published
