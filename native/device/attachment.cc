#include "device/attachment.h"

#include "device/device_options.h"
#include "runtime/environment.h"
#include "runtime/runtime.h"

namespace iotkit {

namespace {

// What waits for a busy JS thread; beyond it a report fails and a download asks again.
constexpr size_t kCallsMax = 1024;
constexpr size_t kCallBytesMax = size_t{1} << 20;
constexpr size_t kKeptMax = 32;
constexpr uint32_t kPacketIdMax = 0x7fffffff;

} // namespace

Attachment::Attachment(Environment *environment, std::unique_ptr<ConnectionListener> listener,
                       std::unique_ptr<TransportListener> transport)
    : Closing(EndRank::kConnection), environment_(environment), mailbox_(environment->mailbox()),
      listener_(std::move(listener)), transport_(std::move(transport)) {
  Runtime::Get().counters.devices++;
}

Attachment::~Attachment() {
  for (const Event &event : events_)
    iotkit_job_unref(event.job);
  iotkit_limiter_unref(limiter_);
  Runtime::Get().counters.devices--;
}

// ---- JS thread ----

int Attachment::Open(DeviceOptions *options, char *detail) {
  int rc = iotkit_limiter_new(options->bytes_per_second, &limiter_);
  if (rc < 0) return rc;
  iotkit_transport transport = {};
  transport.struct_size = sizeof(transport);
  transport.publish = Publish;
  transport.subscribe = Subscribe;
  transport.unsubscribe = Unsubscribe;
  transport.ctx = this;
  iotkit_ota_options ota = {};
  ota.struct_size = sizeof(ota);
  ota.product_key = options->sign.product_key;
  ota.device_name = options->sign.device_name;
  ota.fetch = options->fetch.LimitedBy(limiter_);
  ota.on_upgrade = OnUpgrade;
  ota.on_refused = OnRefused;
  ota.on_nothing = OnNothing;
  ota.ctx = this;
  rc = iotkit_ota_new_over(&transport, &ota, &ota_, detail);
  if (rc == 0) environment_->Keep(std::static_pointer_cast<Attachment>(shared_from_this()));
  return rc;
}

int Attachment::OpenConfig(iotkit_config_t **out) {
  *out = nullptr;
  if (ota_ == nullptr) return IK_ECLOSED;
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

int Attachment::OpenTime(iotkit_time_t **out) {
  *out = nullptr;
  if (ota_ == nullptr) return IK_ECLOSED;
  iotkit_time_options options = {};
  options.struct_size = sizeof(options);
  options.on_time = OnTime;
  options.on_refused = OnTimeRefused;
  options.ctx = this;
  int rc = time_ != nullptr ? 0 : iotkit_time_new(ota_, &options, &time_, nullptr);
  *out = time_;
  return rc;
}

bool Attachment::Feed(const std::string &topic, const uint8_t *payload, size_t len, bool dup) {
  return ota_ != nullptr &&
         iotkit_ota_feed(ota_, topic.data(), topic.size(), payload, len, dup) > 0;
}

// Subscribes first: what was kept makes the platform answer.
void Attachment::SetConnected(bool connected) {
  if (ota_ == nullptr) return;
  std::list<TransportCall> kept;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    connected_ = connected;
    if (connected) kept.swap(kept_);
  }
  if (!connected) {
    iotkit_ota_disconnected(ota_);
    return;
  }
  iotkit_ota_connected(ota_);
  for (TransportCall &call : kept)
    PushCall(std::move(call));
}

bool Attachment::Keep(TransportCall call) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (kept_.size() >= kKeptMax) return false;
  kept_.push_back(std::move(call));
  return true;
}

void Attachment::Close() {
  if (closing_) return;
  closing_ = true;
  SetHeld(true);
  FreeChannel();
  mailbox_->Post(shared_from_this());
}

// Jobs that are fetched meanwhile are woken, and their uses of the channel awaited.
void Attachment::FreeChannel() {
  iotkit_time_free(time_);
  iotkit_config_free(config_);
  iotkit_ota_free(ota_);
  time_ = nullptr;
  config_ = nullptr;
  ota_ = nullptr;
}

void Attachment::AwaitEnd() {
  closing_ = true;
  FreeChannel();
  ended_ = true;
  SetHeld(false);
  listener_.reset();
  transport_.reset();
}

void Attachment::SetHeld(bool held) {
  if (held_ == held || (held && ended_)) return;
  held_ = held;
  if (held) {
    mailbox_->Hold();
  } else {
    mailbox_->Drop();
  }
}

void Attachment::SetBandwidthLimit(uint64_t bytes_per_second) {
  iotkit_limiter_set(limiter_, bytes_per_second);
}

void Attachment::Deliver(Napi::Env env) {
  if (ended_) return;
  std::list<TransportCall> calls;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    calls.swap(calls_);
    call_bytes_ = 0;
  }
  std::list<Event> events;
  events.swap(events_);
  for (const TransportCall &call : calls) {
    Napi::HandleScope scope(env);
    if (!ended_) transport_->OnCall(env, call);
  }
  for (const Event &event : events) {
    Napi::HandleScope scope(env);
    DeliverEvent(env, event);
  }
  // Once more where closing has added calls: the subscriptions that it gives back.
  if (ended_ || !closing_) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!calls_.empty()) return;
  }
  DeliverClosed(env);
}

void Attachment::DeliverEvent(Napi::Env env, const Event &event) {
  if (ended_) { // a callback before this one has ended the environment
    iotkit_job_unref(event.job);
    return;
  }
  switch (event.kind) {
  case EventKind::kUpgrade:
    listener_->OnUpgrade(env, event.job, 0);
    break;
  case EventKind::kRefused:
    listener_->OnRefused(env, event.error, event.detail, event.request_id, 0);
    break;
  case EventKind::kNothing:
    listener_->OnNothing(env, event.request_id, 0);
    break;
  case EventKind::kConfig:
    listener_->OnConfig(env, event.job, 0);
    break;
  case EventKind::kConfigRefused:
    listener_->OnConfigRefused(env, event.error, event.detail, event.request_id, 0);
    break;
  case EventKind::kConfigNothing:
    listener_->OnConfigNothing(env, event.request_id, 0);
    break;
  case EventKind::kTime:
    listener_->OnTime(env, event.reading, event.request_id, 0);
    break;
  case EventKind::kTimeRefused:
    listener_->OnTimeRefused(env, event.error, event.detail, event.request_id, 0);
    break;
  }
}

void Attachment::DeliverClosed(Napi::Env env) {
  auto self = shared_from_this();
  ended_ = true;
  environment_->Forget(this);
  std::unique_ptr<ConnectionListener> listener = std::move(listener_);
  transport_.reset();
  SetHeld(false);
  listener->OnClosed(env);
}

void Attachment::PushEvent(Event event) {
  events_.push_back(std::move(event));
  mailbox_->Post(shared_from_this());
}

void Attachment::OnUpgrade(void *ctx, iotkit_ota_t * /*ota*/, iotkit_job_t *job) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kUpgrade, 0, "", "", job});
}

void Attachment::OnRefused(void *ctx, iotkit_ota_t * /*ota*/, int error, const char *detail,
                           const char *request_id) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kRefused, error, detail, request_id});
}

void Attachment::OnNothing(void *ctx, iotkit_ota_t * /*ota*/, const char *request_id) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kNothing, 0, "", request_id});
}

void Attachment::OnConfig(void *ctx, iotkit_config_t * /*config*/, iotkit_job_t *job) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kConfig, 0, "", "", job});
}

void Attachment::OnConfigRefused(void *ctx, iotkit_config_t * /*config*/, int error,
                                 const char *detail, const char *request_id) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kConfigRefused, error, detail, request_id});
}

void Attachment::OnConfigNothing(void *ctx, iotkit_config_t * /*config*/, const char *request_id) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kConfigNothing, 0, "", request_id});
}

void Attachment::OnTime(void *ctx, iotkit_time_t * /*time*/, const iotkit_time_reading *reading,
                        const char *request_id) {
  static_cast<Attachment *>(ctx)->PushEvent(
      {EventKind::kTime, 0, "", request_id, nullptr, *reading});
}

void Attachment::OnTimeRefused(void *ctx, iotkit_time_t * /*time*/, int error, const char *detail,
                               const char *request_id) {
  static_cast<Attachment *>(ctx)->PushEvent({EventKind::kTimeRefused, error, detail, request_id});
}

// ---- any thread ----

int Attachment::Publish(void *ctx, const char *topic, const void *payload, size_t len,
                        uint8_t qos) {
  auto *self = static_cast<Attachment *>(ctx);
  int packet_id =
      qos == 0 ? 0 : static_cast<int>(1 + self->last_packet_id_.fetch_add(1) % kPacketIdMax);
  TransportCall call{TransportCall::Kind::kPublish, topic,
                     std::string(static_cast<const char *>(payload), len), qos, packet_id};
  bool connected;
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    connected = self->connected_;
  }
  if (!connected) return self->Keep(std::move(call)) ? packet_id : static_cast<int>(IK_EQUEUE_FULL);
  int rc = self->PushCall(std::move(call));
  return rc < 0 ? rc : packet_id;
}

int Attachment::Subscribe(void *ctx, const char *topic, uint8_t qos) {
  return static_cast<Attachment *>(ctx)->PushCall(
      {TransportCall::Kind::kSubscribe, topic, "", qos, 0});
}

int Attachment::Unsubscribe(void *ctx, const char *topic) {
  return static_cast<Attachment *>(ctx)->PushCall(
      {TransportCall::Kind::kUnsubscribe, topic, "", 0, 0});
}

int Attachment::PushCall(TransportCall call) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    bool is_message = call.kind == TransportCall::Kind::kPublish;
    bool full = calls_.size() >= kCallsMax || call_bytes_ + call.payload.size() > kCallBytesMax;
    if (is_message && full) return IK_EQUEUE_FULL;
    call_bytes_ += call.payload.size();
    calls_.push_back(std::move(call));
  }
  mailbox_->Post(shared_from_this());
  return 0;
}

} // namespace iotkit
