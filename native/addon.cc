#include "addon.h"

#include "connection.h"
#include "device.h"
#include "downloads.h"
#include "job.h"
#include "public_keys.h"
#include "runtime.h"
#include "tls_context.h"
#include "transfer.h"
#include "values.h"

namespace iotkit {

Addon::Addon(Napi::Env env) : env_(env) {
  Runtime::Get().counters.environments++;
}

Addon::~Addon() {
  if (!ended_) {
    napi_remove_env_cleanup_hook(env_, OnEnvironmentEnd, this);
    Shutdown();
  }
}

// The cleanup hook comes after the thread-safe function's own and so runs before it: hooks run in
// reverse.
bool Addon::Open(Napi::Env env) {
  return mailbox_->Open(env) && napi_add_env_cleanup_hook(env_, OnEnvironmentEnd, this) == napi_ok;
}

void Addon::OnEnvironmentEnd(void *self) {
  static_cast<Addon *>(self)->Shutdown();
}

void Addon::Shutdown() {
  ended_ = true;
  mailbox_->Close();
  // All are told before the first is waited for, so that the waits overlap.
  for (auto &[key, transfer] : transfers_)
    transfer->Interrupt();
  for (auto &[key, connection] : connections_)
    connection->Kill();
  published_.Interrupt();
  for (auto &[key, transfer] : transfers_)
    transfer->Shutdown();
  for (auto &[key, connection] : connections_)
    connection->AwaitEnd();
  published_.Shutdown();
  transfers_.clear();
  connections_.clear();
  Runtime::Get().counters.environments--;
}

void Addon::Keep(std::shared_ptr<Transfer> transfer) {
  const Transfer *key = transfer.get();
  transfers_.emplace(key, std::move(transfer));
}

void Addon::Forget(const Transfer *transfer) {
  transfers_.erase(transfer);
}

void Addon::Keep(std::shared_ptr<Connection> connection) {
  const Connection *key = connection.get();
  connections_.emplace(key, std::move(connection));
}

void Addon::Forget(const Connection *connection) {
  connections_.erase(connection);
}

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
  set("holds", Addon::Of(env)->mailbox()->holds());
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

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto *addon = new Addon(env);
  env.SetInstanceData(addon);
  if (!addon->Open(env)) return exports;

  TlsContext::Define(env, addon);
  PublicKeys::Define(env, addon);
  Device::Define(env, addon);
  Job::Define(env, addon);
  FileDownload::Define(env, addon);
  ChunkDownload::Define(env, addon);

  sdk::Session::Define(env, exports);
  exports.Set("version", Napi::String::New(env, iotkit_version()));
  exports.Set("openDevice", Napi::Function::New<Device::Open>(env, "openDevice"));
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
