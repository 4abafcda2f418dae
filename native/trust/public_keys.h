// public_keys.h - the keys that signatures of images are verified with.
#ifndef IOTKIT_NATIVE_TRUST_PUBLIC_KEYS_H
#define IOTKIT_NATIVE_TRUST_PUBLIC_KEYS_H

#include <iotkit.h>
#include <napi.h>

#include "runtime/wrapped.h"

namespace iotkit {

class Environment;

// JS thread only. Opaque to lib/.
class PublicKeys final : public ObjectWrap<PublicKeys> {
 public:
  explicit PublicKeys(const Napi::CallbackInfo & /*info*/) {}
  ~PublicKeys() override { iotkit_keys_unref(keys_); }

  static void Define(Napi::Env env, Environment *environment);
  // createKeys(pem) → PublicKeys | {errno, detail}
  static Napi::Value Create(const Napi::CallbackInfo &info);
  // Reads an option that is PublicKeys or undefined. false: it is something else, which must never
  // count as "nothing is verified". No reference is taken.
  static bool Read(Napi::Value value, iotkit_keys_t **out);

 private:
  iotkit_keys_t *keys_ = nullptr;
};

} // namespace iotkit

#endif
