/*
 * iot_conn.h - the settings of IOT_Ioctl that are read elsewhere than in iot_conn.c.
 */
#ifndef IK_PUBLISHED_IOT_CONN_H
#define IK_PUBLISHED_IOT_CONN_H

#include <stdint.h>

/*
 * How long IOT_OTA_FetchYield waits for a byte at least before it returns 0, in milliseconds
 * (IOTX_IOCTL_SET_FETCH_PATIENCE). Any thread.
 */
uint32_t ik_iot_fetch_patience_ms(void);

#endif
