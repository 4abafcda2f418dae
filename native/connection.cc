#include "connection.h"

#include "addon.h"
#include "fetch_options.h"
#include "job.h"
#include "runtime.h"

namespace iotkit {

namespace {

// From here on the socket is not read until JavaScript has caught up. What one step of the client
// takes in still fits.
constexpr size_t kPauseAt = 64;

struct Posted {
  std::shared_ptr<Connection> connection;
  void (Connection::*method)();
};

} // namespace

Connection::Connection(Addon *addon, Napi::Function on_event)
    : addon_(addon), mailbox_(addon->mailbox()), on_event_(Napi::Persistent(on_event)) {
  Runtime::Get().counters.devices++;
}

Connection::~Connection() {
  for (const Event &event : events_)
    iotkit_job_unref(event.job);
  iotkit_limiter_unref(limiter_);
  Runtime::Get().counters.devices--;
}

// ---- JS thread ----

int Connection::Open(const iotkit_sign_options &sign, iotkit_mqtt_options mqtt, FetchOptions *fetch,
                     uint64_t bytes_per_second, char *detail) {
  struct iotkit_sign_in identity = {};
  int rc = iotkit_sign(&sign, &identity, detail);
  if (rc < 0) return rc;
  rc = iotkit_limiter_new(bytes_per_second, &limiter_);
  if (rc < 0) return rc;
  fetch->LimitBy(limiter_);
  rc = Runtime::Get().io.Acquire(&loop_);
  if (rc < 0) return rc;

  mqtt.client_id = identity.client_id;
  mqtt.username = identity.username;
  mqtt.password = identity.password;
  mqtt.on_event = OnMqtt;
  mqtt.ctx = this;
  iotkit_ota_options ota = {};
  ota.product_key = sign.product_key;
  ota.device_name = sign.device_name;
  ota.fetch = fetch->get();
  ota.ctx = this;
  ota.on_upgrade = [](void *ctx, iotkit_ota_t *, iotkit_job_t *job) {
    Event event(DeviceEvent::kUpgrade);
    event.job = job;
    static_cast<Connection *>(ctx)->Push(std::move(event));
  };
  ota.on_refused = [](void *ctx, iotkit_ota_t *, int error, const char *text,
                      const char *request_id) {
    Event event(DeviceEvent::kRefused, error);
    event.text = text;
    event.request_id = request_id;
    static_cast<Connection *>(ctx)->Push(std::move(event));
  };
  ota.on_nothing = [](void *ctx, iotkit_ota_t *, const char *request_id) {
    Event event(DeviceEvent::kNothing);
    event.text = request_id;
    static_cast<Connection *>(ctx)->Push(std::move(event));
  };
  rc = iotkit_mqtt_new(&mqtt, &client_, detail);
  if (rc == 0) rc = iotkit_ota_new(client_, &ota, &ota_, detail);
  if (rc == 0) rc = iotkit_mqtt_start(client_);
  if (rc == 0) rc = RunOnLoop(&Connection::Add);
  if (rc < 0) {
    Abandon();
    return rc;
  }
  addon_->Keep(std::static_pointer_cast<Connection>(shared_from_this()));
  SetHeld(true);
  return 0;
}

// Opening failed half way: the loop does not know the client yet.
void Connection::Abandon() {
  iotkit_ota_free(ota_);
  iotkit_mqtt_free(client_);
  ota_ = nullptr;
  client_ = nullptr;
  closing_ = true;
  ended_ = true;
  on_event_.Reset();
  Runtime::Get().io.Release();
}

void Connection::Close() {
  if (closing_) return;
  closing_ = true;
  SetHeld(true);
  RunOnLoop(&Connection::Halt);
}

void Connection::Kill() {
  closing_ = true;
  RunOnLoop(&Connection::Reap);
}

void Connection::AwaitEnd() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    reaped_changed_.wait(lock, [this] { return reaped_; });
  }
  ended_ = true;
  SetHeld(false);
  on_event_.Reset();
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
  std::deque<Event> events;
  bool state_changed;
  bool resume;
  bool reaped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    events.swap(events_);
    state_changed = state_changed_;
    state_changed_ = false;
    resume = paused_;
    paused_ = false;
    reaped = reaped_;
  }
  if (state_changed) DeliverState(env);
  for (const Event &event : events) {
    Napi::HandleScope scope(env);
    DeliverEvent(env, event);
  }
  if (reaped) {
    End(env);
  } else if (resume) {
    RunOnLoop(&Connection::Resume);
  }
}

void Connection::DeliverState(Napi::Env env) {
  int state;
  int error;
  uint32_t connects;
  bool session_present;
  std::string detail;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state = state_;
    error = error_;
    detail.swap(detail_);
    error_ = 0;
    connects = connects_;
    session_present = session_present_;
  }
  Invoke(on_event_, {Napi::Number::New(env, static_cast<int>(DeviceEvent::kState)),
                     Napi::Number::New(env, state), Napi::Number::New(env, error),
                     Napi::String::New(env, detail), Napi::Number::New(env, connects),
                     Napi::Boolean::New(env, session_present)});
}

void Connection::DeliverEvent(Napi::Env env, const Event &event) {
  Napi::Value kind = Napi::Number::New(env, static_cast<int>(event.kind));
  switch (event.kind) {
  case DeviceEvent::kPublished:
    Invoke(on_event_, {kind, Napi::Number::New(env, event.packet_id),
                       Napi::Number::New(env, event.error), Napi::String::New(env, event.text)});
    break;
  case DeviceEvent::kUpgrade: {
    Napi::Value job = Job::Wrap(env, event.job);
    if (!job.IsEmpty()) Invoke(on_event_, {kind, job});
    break;
  }
  case DeviceEvent::kRefused:
    Invoke(on_event_,
           {kind, Napi::Number::New(env, event.error), Napi::String::New(env, event.text),
            Napi::String::New(env, event.request_id)});
    break;
  case DeviceEvent::kNothing:
    Invoke(on_event_, {kind, Napi::String::New(env, event.text)});
    break;
  case DeviceEvent::kState:
  case DeviceEvent::kClosed:
    break;
  }
}

void Connection::End(Napi::Env env) {
  auto self = shared_from_this();
  ended_ = true;
  addon_->Forget(this);
  Runtime::Get().io.Release();
  Napi::FunctionReference on_event = std::move(on_event_);
  SetHeld(false);
  Invoke(on_event, {Napi::Number::New(env, static_cast<int>(DeviceEvent::kClosed))});
}

// ---- I/O thread ----

void Connection::Add() {
  iotkit_loop_add(loop_, client_);
}

void Connection::Halt() {
  if (client_ == nullptr) return;
  halted_ = true;
  if (iotkit_mqtt_get_state(client_) == IOTKIT_MQTT_CLOSED) {
    Reap();
  } else {
    iotkit_mqtt_stop(client_);
  }
}

// Runs as posted work, never inside a callback of the client. The channel is freed after the client
// has stopped: an orderly end leaves the subscriptions of a persistent session in place.
void Connection::Reap() {
  if (client_ == nullptr) return;
  iotkit_loop_remove(loop_, client_);
  iotkit_ota_free(ota_);
  iotkit_mqtt_free(client_);
  ota_ = nullptr;
  client_ = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    reaped_ = true;
    reaped_changed_.notify_all();
  }
  mailbox_->Post(shared_from_this());
}

// Skipped when the ring has filled up again since this was posted.
void Connection::Resume() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (paused_) return;
  }
  if (client_ != nullptr) iotkit_loop_pause(loop_, client_, false);
}

void Connection::OnMqtt(void *ctx, iotkit_mqtt_t * /*client*/, const iotkit_mqtt_event *event) {
  auto *self = static_cast<Connection *>(ctx);
  switch (event->type) {
  case IOTKIT_MQTT_EVENT_STATE:
    self->OnState(*event);
    break;
  case IOTKIT_MQTT_EVENT_PUBLISHED: {
    Event published(DeviceEvent::kPublished, event->error);
    published.packet_id = event->packet_id;
    published.text = event->detail;
    self->Push(std::move(published));
    break;
  }
  case IOTKIT_MQTT_EVENT_SUBSCRIBED:
  case IOTKIT_MQTT_EVENT_SKIPPED: {
    if (event->error == 0) break;
    Event refused(DeviceEvent::kRefused, event->error);
    refused.text = event->detail;
    self->Push(std::move(refused));
    break;
  }
  case IOTKIT_MQTT_EVENT_UNSUBSCRIBED:
  case IOTKIT_MQTT_EVENT_MESSAGE:
    break;
  }
}

void Connection::OnState(const iotkit_mqtt_event &event) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_changed_ = true;
    state_ = event.state;
    if (event.error != 0) {
      error_ = event.error;
      detail_ = event.detail;
    }
    if (event.state == IOTKIT_MQTT_CONNECTED) {
      connects_++;
      session_present_ = event.session_present;
    }
  }
  if (event.state == IOTKIT_MQTT_CLOSED && halted_) RunOnLoop(&Connection::Reap);
  mailbox_->Post(shared_from_this());
}

void Connection::Push(Event event) {
  bool pause;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    events_.push_back(std::move(event));
    pause = events_.size() >= kPauseAt && !paused_;
    if (pause) paused_ = true;
  }
  if (pause) iotkit_loop_pause(loop_, client_, true);
  mailbox_->Post(shared_from_this());
}

} // namespace iotkit
