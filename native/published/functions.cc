#include "published/functions.h"

#include "published/mqtt_functions.h"
#include "published/ota_functions.h"
#include "published/setup_functions.h"

namespace iotkit::published {

namespace {

// The one entry from JavaScript; the function's data says which one is called.
Napi::Value CallNamed(const Info &info) {
  return static_cast<const NamedFunction *>(info.Data())->call(info);
}

} // namespace

Napi::Object MakeFunctions(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
  for (const FunctionTable &table : {MqttFunctions(), OtaFunctions(), SetupFunctions()}) {
    for (size_t i = 0; i < table.count; i++) {
      const NamedFunction &named = table.functions[i];
      void *data = const_cast<NamedFunction *>(&named);
      object.Set(named.name, Napi::Function::New<CallNamed>(env, named.name, data));
    }
  }
  return object;
}

} // namespace iotkit::published
