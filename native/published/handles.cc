#include "published/handles.h"

#include "published/endpoint.h"
#include "runtime/runtime.h"

namespace iotkit::published {

Handles &Handles::Get() {
  static Handles *const handles = new Handles;
  return *handles;
}

Handles::Handles() {
  Runtime::Get().AtExit([] { Get().InterruptAll(); });
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

void Handles::InterruptAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto &[key, endpoint] : endpoints_) {
    endpoint->Halt();
    endpoint->Interrupt();
  }
}

} // namespace iotkit::published
