#include "session.h"

#include "endpoint.h"

namespace iotkit::sdk {

void Session::Keep(Endpoints *endpoints, std::shared_ptr<Endpoint> endpoint) {
  Endpoint *key = endpoint.get();
  Handles::Get().Add(key, key);
  endpoints->emplace(key, std::move(endpoint));
}

void Session::Forget(Endpoint *endpoint) {
  Handles::Get().Remove(endpoint, endpoint);
  clients_.erase(endpoint);
  otas_.erase(endpoint);
}

void Session::Interrupt() {
  for (auto &[key, ota] : otas_)
    ota->Interrupt();
  for (auto &[key, client] : clients_)
    client->Interrupt();
}

// OTA handles first: they use their client's.
void Session::Shutdown() {
  for (auto *endpoints : {&otas_, &clients_}) {
    for (auto &[key, endpoint] : *endpoints) {
      endpoint->Shutdown();
      Handles::Get().Remove(key, key);
    }
  }
  otas_.clear();
  clients_.clear();
}

Handles &Handles::Get() {
  static Handles *const handles = new Handles;
  return *handles;
}

void Handles::Add(void *handle, Endpoint *endpoint) {
  std::lock_guard<std::mutex> lock(mutex_);
  endpoints_[handle] = endpoint;
}

void Handles::Remove(void *handle, const Endpoint *endpoint) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = endpoints_.find(handle);
  if (found != endpoints_.end() && found->second == endpoint) endpoints_.erase(found);
}

void Handles::StopAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto &[key, endpoint] : endpoints_) {
    endpoint->Halt();
    endpoint->Interrupt();
  }
}

} // namespace iotkit::sdk
