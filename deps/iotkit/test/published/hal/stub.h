#ifndef TEST_PUBLISHED_HAL_STUB_H
#define TEST_PUBLISHED_HAL_STUB_H

#include <stdint.h>

extern unsigned hal_stub_calls;
extern void (*const hal_stub)(void);

#endif
