/*
 * hal.h - how the files hal*.c define the functions of iot_import.h. A program may replace any one
 * of them and keep the others, so each is weak, and none calls another: a replacement that is made
 * of its neighbour, such as a HAL_Vsnprintf over HAL_Snprintf, would run in a circle.
 */
#ifndef IK_PUBLISHED_HAL_H
#define IK_PUBLISHED_HAL_H

#include "iot_import.h"

#define HAL_WEAK __attribute__((weak))

#endif
