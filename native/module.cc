// module.cc - what the addon exports. Floor 5: the only file that knows every class; nothing
// includes it.
#include <iotkit.h>
#include <napi.h>

#include "device/attached_device.h"
#include "device/device.h"
#include "device/registration.h"
#include "download/downloads.h"
#include "download/job.h"
#include "published/functions.h"
#include "published/session.h"
#include "runtime/environment.h"
#include "runtime/runtime.h"
#include "runtime/values.h"
#include "trust/public_keys.h"
#include "trust/tls_context.h"

namespace iotkit {

namespace {

Napi::Value Stats(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Runtime &runtime = Runtime::Get();
  Napi::Object stats = Napi::Object::New(env);
  auto set = [&](const char *key, double value) { stats.Set(key, Napi::Number::New(env, value)); };
  set("environments", runtime.counters.environments);
  set("devices", runtime.counters.devices);
  set("jobs", runtime.counters.jobs);
  set("transfers", runtime.counters.transfers);
  set("waiting", static_cast<double>(runtime.slots.waiting()));
  set("threads", runtime.counters.threads);
  set("lent", runtime.counters.lent);
  set("holds", Environment::Of(env)->mailbox()->holds());
  return stats;
}

Napi::Value TlsSource(const Napi::CallbackInfo &info) {
  const char *source = iotkit_tls_source();
  if (source == nullptr) return info.Env().Null();
  return Napi::String::New(info.Env(), source);
}

void SetMaxDownloads(const Napi::CallbackInfo &info) {
  Runtime::Get().slots.SetMax(info[0].As<Napi::Number>().Uint32Value());
}

// (bytesPerSecond), 0: no limit.
void SetBandwidthLimit(const Napi::CallbackInfo &info) {
  iotkit_limiter_set(Runtime::Get().limiter, BytesPerSecond(info[0]));
}

void DefineClasses(Napi::Env env, Environment *environment) {
  TlsContext::Define(env, environment);
  PublicKeys::Define(env, environment);
  Device::Define(env, environment);
  AttachedDevice::Define(env, environment);
  RegistrationHandle::Define(env, environment);
  Job::Define(env, environment);
  FileDownload::Define(env, environment);
  ChunkDownload::Define(env, environment);
}

// lib/ imports the published C API as "sdk".
void ExportPublished(Napi::Env env, Environment *environment, Napi::Object exports) {
  auto session = std::make_shared<published::Session>(env, environment->mailbox());
  environment->Keep(session);
  environment->SetPart(std::move(session));
  exports.Set("sdk", published::MakeFunctions(env));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto *environment = new Environment(env);
  env.SetInstanceData(environment);
  if (!environment->Open(env)) return exports;

  DefineClasses(env, environment);
  ExportPublished(env, environment, exports);
  exports.Set("version", Napi::String::New(env, iotkit_version()));
  exports.Set("openDevice", Napi::Function::New<Device::Open>(env, "openDevice"));
  exports.Set("attachDevice", Napi::Function::New<AttachedDevice::Attach>(env, "attachDevice"));
  exports.Set("register", Napi::Function::New<RegistrationHandle::Start>(env, "register"));
  exports.Set("parseJob", Napi::Function::New<Job::Parse>(env, "parseJob"));
  exports.Set("createTls", Napi::Function::New<TlsContext::Create>(env, "createTls"));
  exports.Set("createKeys", Napi::Function::New<PublicKeys::Create>(env, "createKeys"));
  exports.Set("tlsSource", Napi::Function::New<TlsSource>(env, "tlsSource"));
  exports.Set("setMaxDownloads", Napi::Function::New<SetMaxDownloads>(env, "setMaxDownloads"));
  exports.Set("setBandwidthLimit",
              Napi::Function::New<SetBandwidthLimit>(env, "setBandwidthLimit"));
  exports.Set("stats", Napi::Function::New<Stats>(env, "stats"));
  return exports;
}

} // namespace

NODE_API_MODULE(iotkit_ota, Init)

} // namespace iotkit
