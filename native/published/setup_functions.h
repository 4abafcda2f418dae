// setup_functions.h - IOT_SetupConnInfo, IOT_Ioctl, logging.
#ifndef IOTKIT_NATIVE_PUBLISHED_SETUP_FUNCTIONS_H
#define IOTKIT_NATIVE_PUBLISHED_SETUP_FUNCTIONS_H

#include "published/arguments.h"

namespace iotkit::published {

FunctionTable SetupFunctions();

} // namespace iotkit::published

#endif
