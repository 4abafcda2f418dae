#include "device/channel.h"

#include <utility>

namespace iotkit {

// ---- JS thread ----

void Tell(Napi::Env env, ChannelListener *listener, const Event &event) {
  switch (event.kind) {
  case Event::Kind::kUpgrade:
    listener->OnUpgrade(env, event.job, event.channel);
    break;
  case Event::Kind::kRefused:
    listener->OnRefused(env, event.error, event.detail, event.request_id, event.channel);
    break;
  case Event::Kind::kNothing:
    listener->OnNothing(env, event.request_id, event.channel);
    break;
  case Event::Kind::kConfig:
    listener->OnConfig(env, event.job, event.channel);
    break;
  case Event::Kind::kConfigRefused:
    listener->OnConfigRefused(env, event.error, event.detail, event.request_id, event.channel);
    break;
  case Event::Kind::kConfigNothing:
    listener->OnConfigNothing(env, event.request_id, event.channel);
    break;
  case Event::Kind::kTime:
    listener->OnTime(env, event.reading, event.request_id, event.channel);
    break;
  case Event::Kind::kTimeRefused:
    listener->OnTimeRefused(env, event.error, event.detail, event.request_id, event.channel);
    break;
  case Event::Kind::kPublished:
  case Event::Kind::kSubscribed:
  case Event::Kind::kGatewayAnswer:
  case Event::Kind::kSubDevice:
    break; // a connection's own
  }
}

iotkit_ota_options Channel::Options(const char *product_key, const char *device_name,
                                    const iotkit_fetch_options &fetch) {
  iotkit_ota_options options = {};
  options.struct_size = sizeof(options);
  options.product_key = product_key;
  options.device_name = device_name;
  options.fetch = fetch;
  options.on_upgrade = OnUpgrade;
  options.on_refused = OnRefused;
  options.on_nothing = OnNothing;
  options.ctx = this;
  return options;
}

int Channel::OpenConfig(iotkit_config_t **out) {
  iotkit_config_options options = {};
  options.struct_size = sizeof(options);
  options.on_config = OnConfig;
  options.on_refused = OnConfigRefused;
  options.on_nothing = OnConfigNothing;
  options.ctx = this;
  int rc = config_ != nullptr ? 0 : iotkit_config_new(ota_, &options, &config_, nullptr);
  *out = config_;
  return rc;
}

int Channel::OpenTime(iotkit_time_t **out) {
  iotkit_time_options options = {};
  options.struct_size = sizeof(options);
  options.on_time = OnTime;
  options.on_refused = OnTimeRefused;
  options.ctx = this;
  int rc = time_ != nullptr ? 0 : iotkit_time_new(ota_, &options, &time_, nullptr);
  *out = time_;
  return rc;
}

void Channel::Free() {
  iotkit_time_free(time_);
  iotkit_config_free(config_);
  iotkit_ota_free(ota_);
  time_ = nullptr;
  config_ = nullptr;
  ota_ = nullptr;
}

// ---- the thread of its callbacks ----

void Channel::OnUpgrade(void *ctx, iotkit_ota_t * /*ota*/, iotkit_job_t *job) {
  static_cast<Channel *>(ctx)->PushJob(Event::Kind::kUpgrade, job);
}

void Channel::OnRefused(void *ctx, iotkit_ota_t * /*ota*/, int error, const char *detail,
                        const char *request_id) {
  static_cast<Channel *>(ctx)->Push(Event::Kind::kRefused, error, detail, request_id);
}

void Channel::OnNothing(void *ctx, iotkit_ota_t * /*ota*/, const char *request_id) {
  static_cast<Channel *>(ctx)->Push(Event::Kind::kNothing, 0, "", request_id);
}

void Channel::OnConfig(void *ctx, iotkit_config_t * /*config*/, iotkit_job_t *job) {
  static_cast<Channel *>(ctx)->PushJob(Event::Kind::kConfig, job);
}

void Channel::OnConfigRefused(void *ctx, iotkit_config_t * /*config*/, int error,
                              const char *detail, const char *request_id) {
  static_cast<Channel *>(ctx)->Push(Event::Kind::kConfigRefused, error, detail, request_id);
}

void Channel::OnConfigNothing(void *ctx, iotkit_config_t * /*config*/, const char *request_id) {
  static_cast<Channel *>(ctx)->Push(Event::Kind::kConfigNothing, 0, "", request_id);
}

void Channel::OnTime(void *ctx, iotkit_time_t * /*time*/, const iotkit_time_reading *reading,
                     const char *request_id) {
  auto *self = static_cast<Channel *>(ctx);
  Event event(Event::Kind::kTime);
  event.channel = self->id_;
  event.reading = *reading;
  event.request_id = request_id;
  self->sink_->PushEvent(std::move(event));
}

void Channel::OnTimeRefused(void *ctx, iotkit_time_t * /*time*/, int error, const char *detail,
                            const char *request_id) {
  static_cast<Channel *>(ctx)->Push(Event::Kind::kTimeRefused, error, detail, request_id);
}

void Channel::PushJob(Event::Kind kind, iotkit_job_t *job) {
  Event event(kind);
  event.channel = id_;
  event.job = job;
  sink_->PushEvent(std::move(event));
}

void Channel::Push(Event::Kind kind, int error, const char *detail, const char *request_id) {
  Event event(kind, error);
  event.channel = id_;
  event.detail = detail;
  event.request_id = request_id;
  sink_->PushEvent(std::move(event));
}

} // namespace iotkit
