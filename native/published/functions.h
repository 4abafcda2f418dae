// functions.h - the published C API's functions as lib/sdk calls them.
#ifndef IOTKIT_NATIVE_PUBLISHED_FUNCTIONS_H
#define IOTKIT_NATIVE_PUBLISHED_FUNCTIONS_H

#include <napi.h>

namespace iotkit::published {

// An object with all of them. Each has the arguments of its C function in the same order, null for
// NULL; lib/sdk checks types. They need the environment to have a Session.
Napi::Object MakeFunctions(Napi::Env env);

} // namespace iotkit::published

#endif
