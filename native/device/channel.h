// channel.h - one OTA channel with its remote configuration and time, and what a connection reports.
#ifndef IOTKIT_NATIVE_DEVICE_CHANNEL_H
#define IOTKIT_NATIVE_DEVICE_CHANNEL_H

#include <iotkit.h>
#include <napi.h>

#include <string>
#include <vector>

namespace iotkit {

// Something that was reported, mostly on the I/O thread, and waits for JavaScript. `kind` says which
// members count.
struct Event {
  enum class Kind {
    kPublished,
    kSubscribed,
    kUpgrade,
    kRefused,
    kNothing,
    kConfig,
    kConfigRefused,
    kConfigNothing,
    kTime,
    kTimeRefused,
    kGatewayAnswer,
    kSubDevice
  };
  explicit Event(Kind event_kind, int event_error = 0) : kind(event_kind), error(event_error) {}

  Kind kind;
  int error;
  uint32_t channel = 0; // whose it is; 0: the device's own
  int packet_id = 0;    // kSubDevice: enum iotkit_gateway_event_type
  int qos = 0;
  uint32_t code = 0;     // the platform's
  uint32_t connects = 0; // when it was reported: as in ConnectionState
  std::string detail;
  std::string request_id;
  iotkit_job_t *job = nullptr; // a reference
  iotkit_time_reading reading = {};
  std::vector<std::string> names; // of sub-devices: as Gateway writes them
};

// Hears of what a channel has reported. JS thread.
class ChannelListener {
 public:
  virtual ~ChannelListener() = default;
  // Takes over the reference.
  virtual void OnUpgrade(Napi::Env env, iotkit_job_t *job, uint32_t channel) = 0;
  virtual void OnRefused(Napi::Env env, int error, const std::string &detail,
                         const std::string &request_id, uint32_t channel) = 0;
  virtual void OnNothing(Napi::Env env, const std::string &request_id, uint32_t channel) = 0;
  // Takes over the reference.
  virtual void OnConfig(Napi::Env env, iotkit_job_t *job, uint32_t channel) = 0;
  virtual void OnConfigRefused(Napi::Env env, int error, const std::string &detail,
                               const std::string &request_id, uint32_t channel) = 0;
  virtual void OnConfigNothing(Napi::Env env, const std::string &request_id, uint32_t channel) = 0;
  virtual void OnTime(Napi::Env env, const iotkit_time_reading &reading,
                      const std::string &request_id, uint32_t channel) = 0;
  virtual void OnTimeRefused(Napi::Env env, int error, const std::string &detail,
                             const std::string &request_id, uint32_t channel) = 0;
};

// Tells the listener of an event; of those that no channel has reported nothing. JS thread.
void Tell(Napi::Env env, ChannelListener *listener, const Event &event);

// Takes events, on the thread of the channel's callbacks and with no lock held.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void PushEvent(Event event) = 0;
};

// Used on the JS thread; its callbacks run on the I/O thread, or where its carrier is fed. Whoever opens
// it frees it on either, while the other does not use it.
class Channel final {
 public:
  // `id`: of its events.
  Channel(EventSink *sink, uint32_t id) : sink_(sink), id_(id) {}
  Channel(const Channel &) = delete;
  Channel &operator=(const Channel &) = delete;

  // What the channel is to be opened with. `fetch` and the names are not copied here.
  iotkit_ota_options Options(const char *product_key, const char *device_name,
                             const iotkit_fetch_options &fetch);
  // As opened with Options().
  void Set(iotkit_ota_t *ota) { ota_ = ota; }
  iotkit_ota_t *ota() const { return ota_; }
  // The remote configuration, which is subscribed with the first call, so that a device which does
  // not use it needs no permission for it. The errors of iotkit_config_new().
  int OpenConfig(iotkit_config_t **out);
  // The platform's time, likewise.
  int OpenTime(iotkit_time_t **out);
  void Free();

 private:
  static void OnUpgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job);
  static void OnRefused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                        const char *request_id);
  static void OnNothing(void *ctx, iotkit_ota_t *ota, const char *request_id);
  static void OnConfig(void *ctx, iotkit_config_t *config, iotkit_job_t *job);
  static void OnConfigRefused(void *ctx, iotkit_config_t *config, int error, const char *detail,
                              const char *request_id);
  static void OnConfigNothing(void *ctx, iotkit_config_t *config, const char *request_id);
  static void OnTime(void *ctx, iotkit_time_t *time, const iotkit_time_reading *reading,
                     const char *request_id);
  static void OnTimeRefused(void *ctx, iotkit_time_t *time, int error, const char *detail,
                            const char *request_id);
  void PushJob(Event::Kind kind, iotkit_job_t *job);
  void Push(Event::Kind kind, int error, const char *detail, const char *request_id);

  EventSink *const sink_;
  const uint32_t id_;
  iotkit_ota_t *ota_ = nullptr;
  iotkit_config_t *config_ = nullptr; // since the first OpenConfig
  iotkit_time_t *time_ = nullptr;     // since the first OpenTime
};

} // namespace iotkit

#endif
