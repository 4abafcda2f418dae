// tls_context.h - what to trust and who we are, for any number of connections.
#ifndef IOTKIT_NATIVE_TLS_CONTEXT_H
#define IOTKIT_NATIVE_TLS_CONTEXT_H

#include <iotkit.h>
#include <napi.h>

namespace iotkit {

class Addon;

// JS thread only. Opaque to lib/, which shares it between the connections with equal options.
class TlsContext final : public Napi::ObjectWrap<TlsContext> {
 public:
  explicit TlsContext(const Napi::CallbackInfo &info) : Napi::ObjectWrap<TlsContext>(info) {}
  ~TlsContext() override { iotkit_tls_unref(tls_); }

  static void Define(Napi::Env env, Addon *addon);
  // createTls({ca, cert, key, passphrase, certName}) → TlsContext | {errno, detail}
  static Napi::Value Create(const Napi::CallbackInfo &info);
  // Reads an option that is a TlsContext or undefined. false: it is something else, which must
  // never be taken for "without TLS". No reference is taken.
  static bool Read(Napi::Value value, iotkit_tls_t **out);

 private:
  iotkit_tls_t *tls_ = nullptr;
};

} // namespace iotkit

#endif
