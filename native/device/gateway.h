// gateway.h - the sub-devices of a connection: topology, logins and their channels.
#ifndef IOTKIT_NATIVE_DEVICE_GATEWAY_H
#define IOTKIT_NATIVE_DEVICE_GATEWAY_H

#include <iotkit.h>
#include <napi.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/channel.h"
#include "runtime/option_table.h"

namespace iotkit {

// Sub-devices as lib/ passes them. JS thread. Owns the texts, device secrets among them.
class SubDevices final {
 public:
  explicit SubDevices(Napi::Value value);
  SubDevices(const SubDevices &) = delete;
  SubDevices &operator=(const SubDevices &) = delete;

  const iotkit_subdevice *data() const { return list_.data(); }
  size_t size() const { return list_.size(); }

 private:
  std::vector<iotkit_subdevice> list_;
  OptionTexts texts_;
};

// What a gateway is asked, by its number in lib/.
enum class GatewayRequest : uint32_t { kAdd, kDelete, kFound, kRegister, kGet };

// Opened with the first use, so that a device which is no gateway needs no permission for its topics.
// Used on the JS thread until Free, which runs on the I/O thread like the callbacks. What it has to say
// are events: kGatewayAnswer, with four names for each sub-device (product key, device name, secret,
// id, "" for what there is not), and kSubDevice with two.
class Gateway final {
 public:
  explicit Gateway(EventSink *sink) : sink_(sink) {}
  Gateway(const Gateway &) = delete;
  Gateway &operator=(const Gateway &) = delete;

  // JS thread. As a channel of the client that signed in by these names.
  int Open(iotkit_mqtt_t *client, const std::string &product_key, const std::string &device_name);
  // *id is what its answer carries.
  int Ask(GatewayRequest what, const SubDevices &devices, uint32_t *id);
  int Login(const SubDevices &devices);
  int Logout(const SubDevices &devices);
  // The channel of a sub-device that Login has taken; `id` is the caller's, new and not 0.
  int OpenChannel(uint32_t id, const std::string &product_key, const std::string &device_name,
                  const iotkit_fetch_options &fetch);
  void CloseChannel(uint32_t id);
  // nullptr: there is none.
  Channel *channel(uint32_t id) const;

  // I/O thread.
  void Free();

 private:
  struct Asked;

  static void OnAnswer(void *ctx, iotkit_gateway_t *gateway, const iotkit_gateway_answer *answer);
  static void OnEvent(void *ctx, iotkit_gateway_t *gateway, const iotkit_gateway_event *given);
  int Send(GatewayRequest what, const SubDevices &devices, Asked *asked);

  EventSink *const sink_;
  iotkit_gateway_t *gateway_ = nullptr;
  uint32_t last_id_ = 0;
  std::map<uint32_t, std::unique_ptr<Channel>> channels_;
};

} // namespace iotkit

#endif
