// ota_functions.h - IOT_OTA_* and iotx_*.
#ifndef IOTKIT_NATIVE_PUBLISHED_OTA_FUNCTIONS_H
#define IOTKIT_NATIVE_PUBLISHED_OTA_FUNCTIONS_H

#include "published/arguments.h"

namespace iotkit::published {

FunctionTable OtaFunctions();

} // namespace iotkit::published

#endif
