/*
 * cm.h - cmocka and what it wants included before it.
 */
#ifndef TEST_SUPPORT_CM_H
#define TEST_SUPPORT_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
