#include "device/connection.h"

#include "device/device_options.h"
#include "runtime/environment.h"
#include "runtime/runtime.h"
#include "runtime/values.h"

namespace iotkit {

namespace {

// From so many events on, the socket is not read until JavaScript has taken them. What one step of
// the client takes in is still added.
constexpr size_t kPauseAt = 64;

struct Posted {
  std::shared_ptr<Connection> connection;
  void (Connection::*method)();
};

} // namespace

Connection::Connection(Environment *environment, std::unique_ptr<ConnectionListener> listener)
    : Closing(EndRank::kConnection), environment_(environment), mailbox_(environment->mailbox()),
      listener_(std::move(listener)) {
  Runtime::Get().counters.devices++;
}

Connection::~Connection() {
  for (const Event &event : events_)
    iotkit_job_unref(event.job);
  iotkit_limiter_unref(limiter_);
  Runtime::Get().counters.devices--;
}

// ---- JS thread ----

int Connection::Open(DeviceOptions *options, char *detail) {
  struct iotkit_sign_in identity = {};
  options->sign.struct_size = sizeof(options->sign);
  int rc = iotkit_sign(&options->sign, &identity, detail);
  if (rc == 0) rc = OpenAs(options, identity, detail);
  Wipe(&identity, sizeof identity);
  return rc;
}

int Connection::OpenAs(DeviceOptions *options, const iotkit_sign_in &identity, char *detail) {
  int rc = iotkit_limiter_new(options->bytes_per_second, &limiter_);
  if (rc == 0) rc = Runtime::Get().io.Acquire(&loop_);
  if (rc < 0) return rc;

  rc = OpenClient(*options, identity, detail);
  if (rc == 0) rc = OpenOwnChannel(options, detail);
  if (rc == 0) rc = iotkit_mqtt_start(client_);
  if (rc == IK_EMQTT_IN_USE) {
    snprintf(detail, IOTKIT_DETAIL_MAX, "%s at %s:%u", identity.username, options->mqtt.host,
             unsigned{options->mqtt.port});
  }
  if (rc == 0) rc = RunOnLoop(&Connection::AddToLoop);
  if (rc < 0) {
    UndoOpen();
    return rc;
  }
  environment_->Keep(std::static_pointer_cast<Connection>(shared_from_this()));
  SetHeld(true);
  return 0;
}

int Connection::OpenClient(const DeviceOptions &options, const iotkit_sign_in &identity,
                           char *detail) {
  iotkit_mqtt_options mqtt = options.mqtt;
  mqtt.struct_size = sizeof(mqtt);
  mqtt.client_id = identity.client_id;
  mqtt.username = identity.username;
  mqtt.password = identity.password;
  mqtt.on_event = OnMqtt;
  mqtt.ctx = this;
  return iotkit_mqtt_new(&mqtt, &client_, detail);
}

int Connection::OpenOwnChannel(DeviceOptions *options, char *detail) {
  fetch_ = environment_->Part<FetchOptionsShare>()->Of(std::move(options->fetch));
  product_key_ = options->sign.product_key;
  device_name_ = options->sign.device_name;
  iotkit_ota_options ota =
      channel_.Options(product_key_.c_str(), device_name_.c_str(), fetch_->LimitedBy(limiter_));
  iotkit_ota_t *opened = nullptr;
  int rc = iotkit_ota_new(client_, &ota, &opened, detail);
  channel_.Set(opened);
  return rc;
}

Channel *Connection::channel(uint32_t id) {
  if (closing_) return nullptr;
  return id == 0 ? &channel_ : gateway_.channel(id);
}

int Connection::OpenGateway(Gateway **out) {
  *out = &gateway_;
  return closing_ ? static_cast<int>(IK_ECLOSED)
                  : gateway_.Open(client_, product_key_, device_name_);
}

int Connection::OpenChannel(uint32_t id, const std::string &product_key,
                            const std::string &device_name) {
  if (closing_) return IK_ECLOSED;
  return gateway_.OpenChannel(id, product_key, device_name, fetch_->LimitedBy(limiter_));
}

void Connection::CloseChannel(uint32_t id) {
  if (!closing_) gateway_.CloseChannel(id);
}

// The loop does not know the client yet.
void Connection::UndoOpen() {
  channel_.Free();
  iotkit_mqtt_free(client_);
  client_ = nullptr;
  closing_ = true;
  ended_ = true;
  listener_.reset();
  Runtime::Get().io.Release();
}

void Connection::Close() {
  if (closing_) return;
  HoldReading(false); // what is on its way is to be acknowledged
  closing_ = true;
  SetHeld(true);
  // Already here, so that whoever connects the same device next waits for the end of this one.
  iotkit_mqtt_stop(client_);
  RunOnLoop(&Connection::Disconnect);
}

void Connection::Interrupt() {
  closing_ = true;
  RunOnLoop(&Connection::Free);
}

void Connection::AwaitEnd() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    freed_changed_.wait(lock, [this] { return freed_; });
  }
  ended_ = true;
  SetHeld(false);
  listener_.reset();
  Runtime::Get().io.Release();
}

void Connection::SetHeld(bool held) {
  if (held_ == held || (held && ended_)) return;
  held_ = held;
  if (held) {
    mailbox_->Hold();
  } else {
    mailbox_->Drop();
  }
}

void Connection::SetBandwidthLimit(uint64_t bytes_per_second) {
  iotkit_limiter_set(limiter_, bytes_per_second);
}

void Connection::HoldReading(bool held) {
  if (closing_) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (reading_held_ == held) return;
    reading_held_ = held;
  }
  RunOnLoop(&Connection::ApplyReading);
}

int Connection::RunOnLoop(void (Connection::*method)()) {
  auto posted = std::make_unique<Posted>(
      Posted{std::static_pointer_cast<Connection>(shared_from_this()), method});
  auto run = [](void *arg) {
    std::unique_ptr<Posted> work(static_cast<Posted *>(arg));
    (work->connection.get()->*work->method)();
  };
  int rc = iotkit_loop_post(loop_, run, posted.get());
  if (rc == 0) static_cast<void>(posted.release()); // the loop's now
  return rc;
}

void Connection::Deliver(Napi::Env env) {
  if (ended_) return;
  // Before the flags: a ring that is long from here on is posted again.
  messaging_.Take(&batch_);
  std::list<Event> events;
  bool state_changed;
  bool resume;
  bool freed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    events.swap(events_);
    state_changed = state_changed_;
    state_changed_ = false;
    resume = ring_is_long_;
    ring_is_long_ = false;
    freed = freed_;
  }
  if (state_changed) DeliverState(env);
  for (Event &event : events) {
    Napi::HandleScope scope(env);
    DeliverEvent(env, &event);
  }
  DeliverMessages(env);
  if (ended_) return;
  if (freed) {
    DeliverClosed(env);
  } else if (resume) {
    RunOnLoop(&Connection::ApplyReading);
  }
}

void Connection::DeliverMessages(Napi::Env env) {
  if (batch_ == nullptr) return;
  if (!ended_ && !batch_->heads.empty()) listener_->OnMessages(env, *batch_);
  batch_->Clear();
}

void Connection::DeliverState(Napi::Env env) {
  ConnectionState state;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state = state_;
    state_.error = 0;
    state_.detail.clear();
  }
  listener_->OnState(env, state);
}

void Connection::DeliverEvent(Napi::Env env, Event *event) {
  if (ended_) { // a callback before this one has ended the environment
    iotkit_job_unref(event->job);
    return;
  }
  switch (event->kind) {
  case Event::Kind::kPublished:
    listener_->OnPublished(env, event->packet_id, event->error, event->detail);
    break;
  case Event::Kind::kSubscribed:
    listener_->OnSubscribed(env, event->packet_id, event->qos, event->error, event->detail);
    break;
  case Event::Kind::kGatewayAnswer:
    listener_->OnGatewayAnswer(env, *event);
    for (std::string &name : event->names) // device secrets are among them
      Wipe(&name);
    break;
  case Event::Kind::kSubDevice:
    listener_->OnSubDevice(env, *event);
    break;
  case Event::Kind::kUpgrade:
  case Event::Kind::kRefused:
  case Event::Kind::kNothing:
  case Event::Kind::kConfig:
  case Event::Kind::kConfigRefused:
  case Event::Kind::kConfigNothing:
  case Event::Kind::kTime:
  case Event::Kind::kTimeRefused:
    Tell(env, listener_.get(), *event);
    break;
  }
}

void Connection::DeliverClosed(Napi::Env env) {
  auto self = shared_from_this();
  ended_ = true;
  environment_->Forget(this);
  Runtime::Get().io.Release();
  std::unique_ptr<ConnectionListener> listener = std::move(listener_);
  SetHeld(false);
  listener->OnClosed(env);
}

// ---- I/O thread ----

void Connection::AddToLoop() {
  iotkit_loop_add(loop_, client_);
}

void Connection::Disconnect() {
  if (client_ == nullptr) return;
  disconnecting_ = true;
  if (iotkit_mqtt_get_state(client_) == IOTKIT_MQTT_CLOSED) {
    Free();
  } else {
    iotkit_mqtt_stop(client_);
  }
}

// Runs as posted work, never inside a callback of the client. The channel is freed after the client
// has stopped: an orderly end leaves the subscriptions of a persistent session in place.
void Connection::Free() {
  if (client_ == nullptr) return;
  iotkit_loop_remove(loop_, client_);
  gateway_.Free();
  channel_.Free();
  iotkit_mqtt_free(client_);
  client_ = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    freed_ = true;
    freed_changed_.notify_all();
  }
  mailbox_->Post(shared_from_this());
}

// Reading goes on where neither a ring that has filled up since this was posted nor JavaScript is
// against it.
void Connection::ApplyReading() {
  bool paused;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    paused = ring_is_long_ || reading_held_;
  }
  if (client_ != nullptr) iotkit_loop_pause(loop_, client_, paused);
}

void Connection::OnMqtt(void *ctx, iotkit_mqtt_t * /*client*/, const iotkit_mqtt_event *event) {
  auto *self = static_cast<Connection *>(ctx);
  switch (event->type) {
  case IOTKIT_MQTT_EVENT_STATE:
    self->OnState(*event);
    break;
  case IOTKIT_MQTT_EVENT_PUBLISHED:
    self->OnAnswer(Event::Kind::kPublished, *event);
    break;
  case IOTKIT_MQTT_EVENT_SUBSCRIBED:
    self->OnAnswer(Event::Kind::kSubscribed, *event);
    break;
  case IOTKIT_MQTT_EVENT_SKIPPED:
    self->OnSkipped(*event);
    break;
  case IOTKIT_MQTT_EVENT_MESSAGE:
    self->messaging_.PushUnclaimed(*event->message);
    break;
  case IOTKIT_MQTT_EVENT_UNSUBSCRIBED:
    break;
  }
}

void Connection::OnSkipped(const iotkit_mqtt_event &event) {
  Event skipped(Event::Kind::kRefused, event.error);
  skipped.detail = event.detail;
  PushEvent(std::move(skipped));
}

void Connection::OnState(const iotkit_mqtt_event &event) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_changed_ = true;
    state_.state = event.state;
    if (event.error != 0) {
      state_.error = event.error;
      state_.detail = event.detail;
    }
    if (event.state == IOTKIT_MQTT_CONNECTED) {
      state_.connects++;
      state_.session_present = event.session_present;
    }
  }
  if (event.state == IOTKIT_MQTT_CLOSED && disconnecting_) RunOnLoop(&Connection::Free);
  mailbox_->Post(shared_from_this());
}

void Connection::OnAnswer(Event::Kind kind, const iotkit_mqtt_event &event) {
  Event answer(kind, event.error);
  answer.packet_id = event.packet_id;
  answer.qos = event.qos;
  answer.detail = event.detail;
  PushEvent(std::move(answer));
}

void Connection::PushEvent(Event event) {
  bool is_long;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    event.connects = state_.connects;
    events_.push_back(std::move(event));
    is_long = events_.size() >= kPauseAt;
  }
  if (is_long) PauseReading();
  mailbox_->Post(shared_from_this());
}

void Connection::PauseReading() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ring_is_long_) return;
    ring_is_long_ = true;
  }
  iotkit_loop_pause(loop_, client_, true);
  // JavaScript may have emptied the rings between the last push and the flag: nothing would come any
  // more that it is called for.
  mailbox_->Post(shared_from_this());
}

void Connection::OnFirstMessage() {
  mailbox_->Post(shared_from_this());
}

void Connection::OnManyMessages() {
  PauseReading();
}

} // namespace iotkit
