// handles.h - the open handles of the published C API in this process.
#ifndef IOTKIT_NATIVE_PUBLISHED_HANDLES_H
#define IOTKIT_NATIVE_PUBLISHED_HANDLES_H

#include <map>
#include <mutex>

namespace iotkit::published {

class Endpoint;

// C calls back with its handle alone; this says whose it is. Any thread. Never destroyed, like
// Runtime, whose end interrupts every endpoint.
class Handles final {
 public:
  static Handles &Get();

  void Add(void *handle, Endpoint *endpoint);
  // No effect when the handle's memory has become another endpoint's meanwhile.
  void Remove(void *handle, const Endpoint *endpoint);
  // Calls use(endpoint), unless there is none; the endpoint stays alive meanwhile.
  template <typename Use>
  void With(void *handle, Use use) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = endpoints_.find(handle);
    if (found != endpoints_.end()) use(found->second);
  }

 private:
  Handles();
  void InterruptAll();

  std::mutex mutex_;
  // By C handle while it is open, and each also by its own address.
  std::map<void *, Endpoint *> endpoints_;
};

} // namespace iotkit::published

#endif
