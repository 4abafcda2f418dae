#include "tls_context.h"

#include "values.h"

namespace iotkit {

namespace {

// Tells our externals from everybody else's.
constexpr napi_type_tag kTag = {0x6b2c0f5d1a9e4c37, 0xa4d81e7390b25f6c};

} // namespace

Napi::Value CreateTls(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Options given(info[0].As<Napi::Object>());
  std::string ca = given.Text("ca");
  std::string cert = given.Text("cert");
  std::string key = given.Text("key");
  std::string passphrase = given.Text("passphrase");
  std::string cert_name = given.Text("certName");

  iotkit_tls_options options = {};
  options.ca = OrNull(ca);
  options.ca_len = ca.size();
  options.cert = OrNull(cert);
  options.cert_len = cert.size();
  options.key = OrNull(key);
  options.key_len = key.size();
  options.passphrase = OrNull(passphrase);
  options.cert_name = OrNull(cert_name);
  iotkit_tls_t *tls = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_tls_new(&options, &tls, detail);
  Wipe(&key);
  Wipe(&passphrase);
  if (rc < 0) return Failure(env, rc, detail);

  auto release = [](Napi::BasicEnv, iotkit_tls_t *context) { iotkit_tls_unref(context); };
  Napi::External<iotkit_tls_t> external = Napi::External<iotkit_tls_t>::New(env, tls, release);
  napi_type_tag_object(env, external, &kTag);
  return external;
}

iotkit_tls_t *TlsOf(Napi::Value value) {
  bool ours = false;
  if (!value.IsExternal()) return nullptr;
  if (napi_check_object_type_tag(value.Env(), value, &kTag, &ours) != napi_ok || !ours)
    return nullptr;
  return value.As<Napi::External<iotkit_tls_t>>().Data();
}

} // namespace iotkit
