/*
 * fake_port.h - the clock, the chance and the waiting of the port, for harnesses that are linked with
 * -Wl,--wrap for each: time passes by waiting alone, and no run depends on anything but its input.
 */
#ifndef FUZZ_FAKE_PORT_H
#define FUZZ_FAKE_PORT_H

#include <stdint.h>

/* From now on it is `now_ms`, and chance begins anew. */
void fake_port_begin(uint64_t now_ms);
uint64_t fake_port_now_ms(void);
void fake_port_pass(uint64_t ms);

#endif
