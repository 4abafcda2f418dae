// module.cc - what the addon exports. Floor 5: the only file that knows every class; nothing
// includes it.
#include <iotkit.h>
#include <napi.h>

#include <iterator>

#include "device/attached_device.h"
#include "device/device.h"
#include "device/registration.h"
#include "download/downloads.h"
#include "download/fetch_options.h"
#include "download/job.h"
#include "published/functions.h"
#include "published/session.h"
#include "runtime/environment.h"
#include "runtime/runtime.h"
#include "runtime/values.h"
#include "runtime/wrapped.h"
#include "trust/public_keys.h"
#include "trust/signatures.h"
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

// (beside): of the downloads that begin from now on.
void SetDigestsBeside(const Napi::CallbackInfo &info) {
  Runtime::Get().digests_beside = info[0].ToBoolean();
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
  environment->SetPart(std::make_shared<FetchOptionsShare>());
  ExportPublished(env, environment, exports);
  exports.Set("version", Napi::String::New(env, iotkit_version()));
  const napi_property_descriptor functions[] = {
      FunctionNamed<Device::Open>("openDevice"),
      FunctionNamed<AttachedDevice::Attach>("attachDevice"),
      FunctionNamed<RegistrationHandle::Start>("register"),
      FunctionNamed<Job::Parse>("parseJob"),
      FunctionNamed<TlsContext::Create>("createTls"),
      FunctionNamed<Signer::Give>("giveSignature"),
      FunctionNamed<Signer::Fail>("failSignature"),
      FunctionNamed<PublicKeys::Create>("createKeys"),
      FunctionNamed<TlsSource>("tlsSource"),
      FunctionNamed<SetMaxDownloads>("setMaxDownloads"),
      FunctionNamed<SetDigestsBeside>("setDigestsBeside"),
      FunctionNamed<SetBandwidthLimit>("setBandwidthLimit"),
      FunctionNamed<Stats>("stats"),
  };
  napi_define_properties(env, exports, std::size(functions), functions);
  return exports;
}

} // namespace

NODE_API_MODULE(iotkit_ota, Init)

} // namespace iotkit
