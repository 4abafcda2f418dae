#include "device/device_listener.h"

#include <cstring>

#include "download/job.h"

namespace iotkit {

const char *const DeviceListener::kMethods[] = {
    "onState",      // state, errno, detail, connects, sessionPresent
    "onPublished",  // packetId, errno, detail
    "onSubscribed", // packetId, qos, errno, detail
    "onMessages",   // heads, topics, payloads
    // Of a channel: the last argument says whose, 0: the device's own.
    "onUpgrade",       // job
    "onRefused",       // errno, detail, requestId
    "onNothing",       // requestId
    "onConfig",        // job, {configId, signMethod, pushed}
    "onConfigRefused", // errno, detail, requestId
    "onConfigNothing", // requestId
    "onTime",          // {time, at, offset, uncertainty}, requestId
    "onTimeRefused",   // errno, detail, requestId
    "onGatewayAnswer", // requestId, errno, code, message, four names of each device
    "onSubDevice",     // type, productKey, deviceName, errno, code, message, connects
    "onClosed",        // nothing follows
};

std::unique_ptr<DeviceListener> DeviceListener::Read(Napi::Value value, const char **missing) {
  Napi::Object object = value.As<Napi::Object>();
  for (const char *method : kMethods) {
    if (!object.Get(method).IsFunction()) {
      *missing = method;
      return nullptr;
    }
  }
  return std::unique_ptr<DeviceListener>(new DeviceListener(object));
}

void DeviceListener::CallRefused(Napi::Env env, const char *method, int error,
                                 const std::string &detail, const std::string &request_id,
                                 uint32_t channel) const {
  Call(method, {Napi::Number::New(env, error), Napi::String::New(env, detail),
                Napi::String::New(env, request_id), Napi::Number::New(env, channel)});
}

void DeviceListener::OnState(Napi::Env env, const ConnectionState &state) {
  Call("onState", {Napi::Number::New(env, state.state), Napi::Number::New(env, state.error),
                   Napi::String::New(env, state.detail), Napi::Number::New(env, state.connects),
                   Napi::Boolean::New(env, state.session_present)});
}

void DeviceListener::OnPublished(Napi::Env env, int packet_id, int error,
                                 const std::string &detail) {
  Call("onPublished", {Napi::Number::New(env, packet_id), Napi::Number::New(env, error),
                       Napi::String::New(env, detail)});
}

void DeviceListener::OnSubscribed(Napi::Env env, int packet_id, int qos, int error,
                                  const std::string &detail) {
  Call("onSubscribed", {Napi::Number::New(env, packet_id), Napi::Number::New(env, qos),
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
  Call("onMessages", {heads, topics, payloads});
}

void DeviceListener::OnUpgrade(Napi::Env env, iotkit_job_t *job, uint32_t channel) {
  Napi::Value wrapped = Job::Wrap(env, job);
  if (!wrapped.IsEmpty()) Call("onUpgrade", {wrapped, Napi::Number::New(env, channel)});
}

void DeviceListener::OnRefused(Napi::Env env, int error, const std::string &detail,
                               const std::string &request_id, uint32_t channel) {
  CallRefused(env, "onRefused", error, detail, request_id, channel);
}

void DeviceListener::OnNothing(Napi::Env env, const std::string &request_id, uint32_t channel) {
  Call("onNothing", {Napi::String::New(env, request_id), Napi::Number::New(env, channel)});
}

void DeviceListener::OnConfig(Napi::Env env, iotkit_job_t *job, uint32_t channel) {
  const iotkit_config_info *config = iotkit_job_config(job);
  Napi::Object info = Napi::Object::New(env);
  info.Set("configId", Napi::String::New(env, config->config_id));
  info.Set("signMethod", Napi::String::New(env, config->sign_method));
  info.Set("pushed", Napi::Boolean::New(env, config->pushed));
  Napi::Value wrapped = Job::Wrap(env, job);
  if (!wrapped.IsEmpty()) Call("onConfig", {wrapped, info, Napi::Number::New(env, channel)});
}

void DeviceListener::OnConfigRefused(Napi::Env env, int error, const std::string &detail,
                                     const std::string &request_id, uint32_t channel) {
  CallRefused(env, "onConfigRefused", error, detail, request_id, channel);
}

void DeviceListener::OnConfigNothing(Napi::Env env, const std::string &request_id,
                                     uint32_t channel) {
  Call("onConfigNothing", {Napi::String::New(env, request_id), Napi::Number::New(env, channel)});
}

void DeviceListener::OnTime(Napi::Env env, const iotkit_time_reading &reading,
                            const std::string &request_id, uint32_t channel) {
  Napi::Object out = Napi::Object::New(env);
  auto number = [&](const char *key, double value) { out.Set(key, Napi::Number::New(env, value)); };
  number("time", static_cast<double>(reading.time_ms));
  number("at", static_cast<double>(reading.at_ms));
  number("offset", static_cast<double>(reading.offset_ms));
  number("uncertainty", reading.uncertainty_ms);
  Call("onTime", {out, Napi::String::New(env, request_id), Napi::Number::New(env, channel)});
}

void DeviceListener::OnTimeRefused(Napi::Env env, int error, const std::string &detail,
                                   const std::string &request_id, uint32_t channel) {
  CallRefused(env, "onTimeRefused", error, detail, request_id, channel);
}

void DeviceListener::OnGatewayAnswer(Napi::Env env, const Event &answer) {
  Napi::Array names = Napi::Array::New(env, answer.names.size());
  if (names.IsEmpty()) return; // the environment ends
  for (size_t i = 0; i < answer.names.size(); i++)
    names.Set(static_cast<uint32_t>(i), Napi::String::New(env, answer.names[i]));
  Call("onGatewayAnswer",
       {Napi::String::New(env, answer.request_id), Napi::Number::New(env, answer.error),
        Napi::Number::New(env, answer.code), Napi::String::New(env, answer.detail), names});
}

void DeviceListener::OnSubDevice(Napi::Env env, const Event &event) {
  Call("onSubDevice",
       {Napi::Number::New(env, event.packet_id), Napi::String::New(env, event.names[0]),
        Napi::String::New(env, event.names[1]), Napi::Number::New(env, event.error),
        Napi::Number::New(env, event.code), Napi::String::New(env, event.detail),
        Napi::Number::New(env, event.connects)});
}

void DeviceListener::OnClosed(Napi::Env /*env*/) {
  Call("onClosed", {});
}

} // namespace iotkit
