#include "tls_context.h"

#include "addon.h"
#include "values.h"

namespace iotkit {

namespace {

// Tells our objects from everybody else's.
constexpr napi_type_tag kTag = {0x6b2c0f5d1a9e4c37, 0xa4d81e7390b25f6c};

} // namespace

void TlsContext::Define(Napi::Env env, Addon *addon) {
  addon->tls_context = Napi::Persistent(DefineClass(env, "TlsContext", {}));
}

Napi::Value TlsContext::Create(const Napi::CallbackInfo &info) {
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

  Napi::Object object = Addon::Of(env)->tls_context.New({});
  TlsContext *context = object.IsEmpty() ? nullptr : Unwrap(object);
  if (context == nullptr) {
    iotkit_tls_unref(tls);
    return object;
  }
  context->tls_ = tls;
  napi_type_tag_object(env, object, &kTag);
  return object;
}

bool TlsContext::Read(Napi::Value value, iotkit_tls_t **out) {
  *out = nullptr;
  if (value.IsUndefined()) return true;
  bool ours = false;
  if (!value.IsObject() ||
      napi_check_object_type_tag(value.Env(), value, &kTag, &ours) != napi_ok || !ours) {
    return false;
  }
  TlsContext *context = Unwrap(value.As<Napi::Object>());
  if (context == nullptr) return false;
  *out = context->tls_;
  return *out != nullptr;
}

} // namespace iotkit
