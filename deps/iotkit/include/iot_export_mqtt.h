/**
 * @file
 * iot_export_mqtt.h - where programs also look for exports/iot_export_mqtt.h.
 */
#include "exports/iot_export_mqtt.h" /* IWYU pragma: export */
