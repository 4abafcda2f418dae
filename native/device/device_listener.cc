#include "device/device_listener.h"

#include <cstring>

#include "download/job.h"

namespace iotkit {

const DeviceListener::Function DeviceListener::kFunctions[] = {
    {"onState", &DeviceListener::on_state_}, // state, errno, detail, connects, sessionPresent
    {"onPublished", &DeviceListener::on_published_},          // packetId, errno, detail
    {"onSubscribed", &DeviceListener::on_subscribed_},        // packetId, qos, errno, detail
    {"onMessages", &DeviceListener::on_messages_},            // heads, topics, payloads
    {"onUpgrade", &DeviceListener::on_upgrade_},              // job
    {"onRefused", &DeviceListener::on_refused_},              // errno, detail, requestId
    {"onNothing", &DeviceListener::on_nothing_},              // requestId
    {"onConfig", &DeviceListener::on_config_},                // job, {configId, signMethod, pushed}
    {"onConfigRefused", &DeviceListener::on_config_refused_}, // errno, detail, requestId
    {"onConfigNothing", &DeviceListener::on_config_nothing_}, // requestId
    {"onTime", &DeviceListener::on_time_}, // {time, at, offset, uncertainty}, requestId
    {"onTimeRefused", &DeviceListener::on_time_refused_}, // errno, detail, requestId
    {"onClosed", &DeviceListener::on_closed_},            // nothing follows
};

namespace {

// An ArrayBuffer with these bytes; empty while the environment ends.
Napi::Value CopyOf(Napi::Env env, const void *bytes, size_t length) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, length);
  if (buffer.IsEmpty()) return buffer;
  if (length > 0) std::memcpy(buffer.Data(), bytes, length);
  return buffer;
}

} // namespace

std::unique_ptr<DeviceListener> DeviceListener::Read(Napi::Value value, const char **missing) {
  std::unique_ptr<DeviceListener> listener(new DeviceListener);
  Napi::Object object = value.As<Napi::Object>();
  for (const Function &function : kFunctions) {
    Napi::Value found = object.Get(function.name);
    if (!found.IsFunction()) {
      *missing = function.name;
      return nullptr;
    }
    listener.get()->*function.reference = Napi::Persistent(found.As<Napi::Function>());
  }
  return listener;
}

void DeviceListener::OnState(Napi::Env env, const ConnectionState &state) {
  Invoke(on_state_, {Napi::Number::New(env, state.state), Napi::Number::New(env, state.error),
                     Napi::String::New(env, state.detail), Napi::Number::New(env, state.connects),
                     Napi::Boolean::New(env, state.session_present)});
}

void DeviceListener::OnPublished(Napi::Env env, int packet_id, int error,
                                 const std::string &detail) {
  Invoke(on_published_, {Napi::Number::New(env, packet_id), Napi::Number::New(env, error),
                         Napi::String::New(env, detail)});
}

void DeviceListener::OnSubscribed(Napi::Env env, int packet_id, int qos, int error,
                                  const std::string &detail) {
  Invoke(on_subscribed_, {Napi::Number::New(env, packet_id), Napi::Number::New(env, qos),
                          Napi::Number::New(env, error), Napi::String::New(env, detail)});
}

void DeviceListener::OnMessages(Napi::Env env, const MessageBatch &batch) {
  Napi::HandleScope scope(env);
  Napi::Value heads =
      CopyOf(env, batch.heads.data(), batch.heads.size() * sizeof(batch.heads.front()));
  Napi::Value payloads = CopyOf(env, batch.payloads.data(), batch.payloads.size());
  Napi::Array topics = Napi::Array::New(env, batch.topics.size());
  if (heads.IsEmpty() || payloads.IsEmpty() || topics.IsEmpty()) return;
  for (size_t i = 0; i < batch.topics.size(); i++)
    topics.Set(static_cast<uint32_t>(i), Napi::String::New(env, batch.topics[i]));
  Invoke(on_messages_, {heads, topics, payloads});
}

void DeviceListener::OnUpgrade(Napi::Env env, iotkit_job_t *job) {
  Napi::Value wrapped = Job::Wrap(env, job);
  if (!wrapped.IsEmpty()) Invoke(on_upgrade_, {wrapped});
}

void DeviceListener::OnRefused(Napi::Env env, int error, const std::string &detail,
                               const std::string &request_id) {
  Invoke(on_refused_, {Napi::Number::New(env, error), Napi::String::New(env, detail),
                       Napi::String::New(env, request_id)});
}

void DeviceListener::OnNothing(Napi::Env env, const std::string &request_id) {
  Invoke(on_nothing_, {Napi::String::New(env, request_id)});
}

void DeviceListener::OnConfig(Napi::Env env, iotkit_job_t *job) {
  const iotkit_config_info *config = iotkit_job_config(job);
  Napi::Object info = Napi::Object::New(env);
  info.Set("configId", Napi::String::New(env, config->config_id));
  info.Set("signMethod", Napi::String::New(env, config->sign_method));
  info.Set("pushed", Napi::Boolean::New(env, config->pushed));
  Napi::Value wrapped = Job::Wrap(env, job);
  if (!wrapped.IsEmpty()) Invoke(on_config_, {wrapped, info});
}

void DeviceListener::OnConfigRefused(Napi::Env env, int error, const std::string &detail,
                                     const std::string &request_id) {
  Invoke(on_config_refused_, {Napi::Number::New(env, error), Napi::String::New(env, detail),
                              Napi::String::New(env, request_id)});
}

void DeviceListener::OnConfigNothing(Napi::Env env, const std::string &request_id) {
  Invoke(on_config_nothing_, {Napi::String::New(env, request_id)});
}

void DeviceListener::OnTime(Napi::Env env, const iotkit_time_reading &reading,
                            const std::string &request_id) {
  Napi::Object out = Napi::Object::New(env);
  auto number = [&](const char *key, double value) { out.Set(key, Napi::Number::New(env, value)); };
  number("time", static_cast<double>(reading.time_ms));
  number("at", static_cast<double>(reading.at_ms));
  number("offset", static_cast<double>(reading.offset_ms));
  number("uncertainty", reading.uncertainty_ms);
  Invoke(on_time_, {out, Napi::String::New(env, request_id)});
}

void DeviceListener::OnTimeRefused(Napi::Env env, int error, const std::string &detail,
                                   const std::string &request_id) {
  Invoke(on_time_refused_, {Napi::Number::New(env, error), Napi::String::New(env, detail),
                            Napi::String::New(env, request_id)});
}

void DeviceListener::OnClosed(Napi::Env /*env*/) {
  Invoke(on_closed_, {});
}

} // namespace iotkit
