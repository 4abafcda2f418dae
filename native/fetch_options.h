// fetch_options.h - how firmware is fetched.
#ifndef IOTKIT_NATIVE_FETCH_OPTIONS_H
#define IOTKIT_NATIVE_FETCH_OPTIONS_H

#include "tls_context.h"
#include "values.h"

namespace iotkit {

// JS thread. false: `tls` is not a context. The digest is always ours to feed: it runs on a thread
// of its own.
inline bool ReadFetchOptions(Napi::Value value, iotkit_fetch_options *out) {
  iotkit_fetch_options fetch = {};
  fetch.external_digest = true;
  Options given(value.As<Napi::Object>());
  if (!TlsContext::Read(given.Get("tls"), &fetch.tls)) return false;
  fetch.connect_timeout_ms = given.Number("connectTimeoutMs");
  fetch.response_timeout_ms = given.Number("responseTimeoutMs");
  fetch.idle_timeout_ms = given.Number("idleTimeoutMs");
  fetch.low_speed_bytes = given.Number("lowSpeedBytes");
  fetch.low_speed_ms = given.Number("lowSpeedMs");
  fetch.max_retries = given.Number("maxRetries");
  fetch.retry_min_ms = given.Number("retryMinMs");
  fetch.retry_max_ms = given.Number("retryMaxMs");
  fetch.max_redirects = static_cast<uint8_t>(given.Number("maxRedirects"));
  fetch.https_only = given.Flag("httpsOnly");
  *out = fetch;
  return true;
}

} // namespace iotkit

#endif
