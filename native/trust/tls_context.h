// tls_context.h - what to trust and who we are, for any number of connections.
//
// Room trust/, floor 2: TLS contexts and public keys, objects of the C SDK that are opaque to lib/, and signatures
// by functions of lib/.
// Includes runtime/, the public headers and napi.h.
#ifndef IOTKIT_NATIVE_TRUST_TLS_CONTEXT_H
#define IOTKIT_NATIVE_TRUST_TLS_CONTEXT_H

#include <iotkit.h>
#include <napi.h>

#include "runtime/wrapped.h"

namespace iotkit {

class Environment;

// JS thread only. lib/ shares it between the connections with equal options.
//   setCa(pem)           of a deferred context: whom to trust, before the first connection asks
//   setTime({time, at})  what later certificates are held against
class TlsContext final : public ObjectWrap<TlsContext> {
 public:
  explicit TlsContext(const Napi::CallbackInfo & /*info*/) {}
  ~TlsContext() override { iotkit_tls_unref(tls_); }

  static void Define(Napi::Env env, Environment *environment);
  // createTls({ca, cert, key, passphrase, certName, deferred, onSign, onCancel}) → TlsContext | {errno, detail};
  // onSign and onCancel: see Signer
  static Napi::Value Create(const Napi::CallbackInfo &info);
  // Reads an option that is a TlsContext or undefined. false: it is something else, which must
  // never count as "without TLS". No reference is taken.
  static bool Read(Napi::Value value, iotkit_tls_t **out);

 private:
  void SetCa(const Napi::CallbackInfo &info);
  void SetTime(const Napi::CallbackInfo &info);

  iotkit_tls_t *tls_ = nullptr;
};

} // namespace iotkit

#endif
