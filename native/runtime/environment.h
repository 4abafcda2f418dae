// environment.h - the state of one environment.
//
// Room runtime/, floor 1: what the rooms above need of the process and of Node-API. It includes the
// public headers of the C SDK, napi.h and the standard library, and no other room.
//   environment, closing      what an environment has, and how it ends
//   runtime, io_thread,       what the process has once: counters, threads, the I/O thread, the
//     download_slots          limit on downloads
//   mailbox                   the way from threads to JavaScript
//   wrapped                   objects of C++ that are objects of JavaScript
//   values, option_table      reading what lib/ passes
//   terminate                 no exceptions
#ifndef IOTKIT_NATIVE_RUNTIME_ENVIRONMENT_H
#define IOTKIT_NATIVE_RUNTIME_ENVIRONMENT_H

#include <napi.h>

#include <array>
#include <forward_list>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>

#include "runtime/closing.h"
#include "runtime/mailbox.h"

namespace iotkit {

// One per load of the addon, JS thread only: the main thread, each worker and each Jest realm that
// loads it has its own. It keeps everything that has threads until these have let go of it, and
// ends all of it with the environment: mailbox closed, all interrupted, all waited for, all
// released.
class Environment final {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();
  Environment(const Environment &) = delete;
  Environment &operator=(const Environment &) = delete;

  bool Open(Napi::Env env);
  static Environment *Of(Napi::Env env) { return env.GetInstanceData<Environment>(); }

  const std::shared_ptr<Mailbox> &mailbox() const { return mailbox_; }

  void Keep(std::shared_ptr<Closing> closing);
  void Forget(const Closing *closing);

  // A T of this environment, which lives as long as the environment itself. Once.
  template <typename T>
  void SetPart(std::shared_ptr<T> part) {
    parts_.emplace_front(KeyOf<T>(), std::move(part));
  }
  template <typename T>
  T *Part() const {
    return static_cast<T *>(FindPart(KeyOf<T>()));
  }

  // T, an ObjectWrap, has this JavaScript class here. Once, before the first New.
  template <typename T>
  void SetClass(Napi::Function constructor) {
    KeepClass(KeyOf<T>(), constructor);
  }
  // Makes an object of T's class. *wrapped: what it wraps; nullptr while the environment ends.
  template <typename T>
  Napi::Object New(T **wrapped, std::initializer_list<napi_value> args = {}) const {
    Napi::Object object = Construct(KeyOf<T>(), args);
    *wrapped = object.IsEmpty() ? nullptr : T::Unwrap(object);
    return object;
  }

 private:
  using Kept = std::map<const Closing *, std::shared_ptr<Closing>>;

  // An address for each type, as there is no RTTI.
  template <typename T>
  static const void *KeyOf() {
    static const char key = 0;
    return &key;
  }

  static void OnEnvironmentEnd(void *self);
  void End();
  Kept &KeptOf(EndRank rank) { return kept_[static_cast<size_t>(rank)]; }
  void KeepClass(const void *key, Napi::Function constructor);
  void *FindPart(const void *key) const;
  Napi::Object Construct(const void *key, std::initializer_list<napi_value> args) const;

  napi_env env_;
  bool ended_ = false;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::array<Kept, kEndRanks> kept_;
  std::forward_list<std::pair<const void *, std::shared_ptr<void>>> parts_;
  std::forward_list<std::pair<const void *, Napi::FunctionReference>> classes_;
};

} // namespace iotkit

#endif
