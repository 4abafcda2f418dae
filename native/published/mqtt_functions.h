// mqtt_functions.h - IOT_MQTT_*.
#ifndef IOTKIT_NATIVE_PUBLISHED_MQTT_FUNCTIONS_H
#define IOTKIT_NATIVE_PUBLISHED_MQTT_FUNCTIONS_H

#include "published/arguments.h"

namespace iotkit::published {

FunctionTable MqttFunctions();

} // namespace iotkit::published

#endif
