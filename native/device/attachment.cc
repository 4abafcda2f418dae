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
  iotkit_ota_options ota = channel_.Options(options->sign.product_key, options->sign.device_name,
                                            options->fetch.LimitedBy(limiter_));
  iotkit_ota_t *opened = nullptr;
  rc = iotkit_ota_new_over(&transport, &ota, &opened, detail);
  channel_.Set(opened);
  if (rc == 0) environment_->Keep(std::static_pointer_cast<Attachment>(shared_from_this()));
  return rc;
}

bool Attachment::Feed(const std::string &topic, const uint8_t *payload, size_t len, bool dup) {
  iotkit_ota_t *ota = channel_.ota();
  return ota != nullptr && iotkit_ota_feed(ota, topic.data(), topic.size(), payload, len, dup) > 0;
}

// Subscribes first: what was kept makes the platform answer.
void Attachment::SetConnected(bool connected) {
  iotkit_ota_t *ota = channel_.ota();
  if (ota == nullptr) return;
  std::list<TransportCall> kept;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    connected_ = connected;
    if (connected) kept.swap(kept_);
  }
  if (!connected) {
    iotkit_ota_disconnected(ota);
    return;
  }
  iotkit_ota_connected(ota);
  for (TransportCall &call : kept)
    PushCall(std::move(call));
}

bool Attachment::Keep(TransportCall call) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (kept_.size() >= kKeptMax) return false;
  kept_.push_back(std::move(call));
  return true;
}

// Jobs that are fetched meanwhile are woken, and their uses of the channel awaited.
void Attachment::Close() {
  if (closing_) return;
  closing_ = true;
  SetHeld(true);
  channel_.Free();
  mailbox_->Post(shared_from_this());
}

void Attachment::AwaitEnd() {
  closing_ = true;
  channel_.Free();
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
  Tell(env, listener_.get(), event);
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
