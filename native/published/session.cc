#include "published/session.h"

#include "published/handles.h"

namespace iotkit::published {

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
void Session::AwaitEnd() {
  for (auto *endpoints : {&otas_, &clients_}) {
    for (auto &[key, endpoint] : *endpoints) {
      endpoint->Shutdown();
      Handles::Get().Remove(key, key);
    }
  }
  otas_.clear();
  clients_.clear();
}

} // namespace iotkit::published
