#include "trust/tls_context.h"

#include "runtime/environment.h"
#include "runtime/values.h"
#include "trust/signatures.h"

namespace iotkit {

namespace {

// Distinguishes our objects from all others.
constexpr napi_type_tag kTag = {0x6b2c0f5d1a9e4c37, 0xa4d81e7390b25f6c};

// nullptr: no function signs.
std::shared_ptr<Signer> ReadSigner(const JsOptions &given) {
  Napi::Value on_sign = given.Get("onSign");
  Napi::Value on_cancel = given.Get("onCancel");
  if (on_sign.IsEmpty() || !on_sign.IsFunction() || !on_cancel.IsFunction()) return nullptr;
  return std::make_shared<Signer>(Environment::Of(on_sign.Env())->mailbox(),
                                  on_sign.As<Napi::Function>(), on_cancel.As<Napi::Function>());
}

} // namespace

void TlsContext::Define(Napi::Env env, Environment *environment) {
  environment->SetClass<TlsContext>(DefineClass(env, "TlsContext",
                                                {
                                                    InstanceMethod<&TlsContext::SetCa>("setCa"),
                                                    InstanceMethod<&TlsContext::SetTime>("setTime"),
                                                }));
}

Napi::Value TlsContext::Create(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  JsOptions given(info[0].As<Napi::Object>());
  std::string ca = given.Text("ca");
  std::string cert = given.Text("cert");
  std::string key = given.Text("key");
  std::string passphrase = given.Text("passphrase");
  std::string cert_name = given.Text("certName");

  iotkit_tls_options options = {};
  options.struct_size = sizeof(options);
  options.ca = OrNull(ca);
  options.ca_len = ca.size();
  options.cert = OrNull(cert);
  options.cert_len = cert.size();
  options.key = OrNull(key);
  options.key_len = key.size();
  options.passphrase = OrNull(passphrase);
  options.cert_name = OrNull(cert_name);
  options.deferred = given.Flag("deferred");
  std::shared_ptr<Signer> signer = ReadSigner(given);
  if (signer != nullptr) Signer::Use(signer, &options);
  iotkit_tls_t *tls = nullptr;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_tls_new(&options, &tls, detail);
  Wipe(&key);
  Wipe(&passphrase);
  if (rc < 0) {
    Signer::Forget(options);
    return Failure(env, rc, detail);
  }
  if (signer != nullptr) Environment::Of(env)->Keep(std::move(signer));

  TlsContext *context = nullptr;
  Napi::Object object = Environment::Of(env)->New(&context);
  if (context == nullptr) {
    iotkit_tls_unref(tls);
    return object;
  }
  context->tls_ = tls;
  napi_type_tag_object(env, object, &kTag);
  return object;
}

void TlsContext::SetCa(const Napi::CallbackInfo &info) {
  std::string ca = TextOf(info[0]);
  iotkit_tls_set_ca(tls_, ca.data(), ca.size());
}

void TlsContext::SetTime(const Napi::CallbackInfo &info) {
  JsOptions given(info[0].As<Napi::Object>());
  iotkit_tls_set_time(tls_, static_cast<uint64_t>(given.Float("time")),
                      static_cast<uint64_t>(given.Float("at")));
}

bool TlsContext::Read(Napi::Value value, iotkit_tls_t **out) {
  *out = nullptr;
  if (value.IsUndefined()) return true;
  TlsContext *context = HasTag(value, kTag) ? Unwrap(value.As<Napi::Object>()) : nullptr;
  if (context != nullptr) *out = context->tls_;
  return *out != nullptr;
}

} // namespace iotkit
