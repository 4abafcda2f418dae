/**
 * @file
 * iot_export_ota.h - the OTA API under the name that programs include directly.
 */
#ifndef IOT_EXPORT_OTA_H
#define IOT_EXPORT_OTA_H

#include "exports/iot_export_ota.h"

#endif
