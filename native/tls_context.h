// tls_context.h - what to trust and who we are, for any number of connections.
#ifndef IOTKIT_NATIVE_TLS_CONTEXT_H
#define IOTKIT_NATIVE_TLS_CONTEXT_H

#include <iotkit.h>
#include <napi.h>

namespace iotkit {

// createTls({ca, cert, key, passphrase, certName}) → an opaque value or {errno, detail}. JS thread.
Napi::Value CreateTls(const Napi::CallbackInfo &info);

// The context in such a value, NULL for anything else. No reference is taken.
iotkit_tls_t *TlsOf(Napi::Value value);

} // namespace iotkit

#endif
