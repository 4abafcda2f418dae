/*
 * registers.h - a registration that keeps what it brings, and the start that finds it kept, as
 * scenarios. The broker is in memory.
 *
 * Whatever fails, there are credentials that are kept whole, or none, and an error that fits; the next
 * run has them.
 */
#ifndef TEST_FAULTS_REGISTERS_H
#define TEST_FAULTS_REGISTERS_H

#include "faults/trial.h"

#define REGISTERS 2

extern const struct scenario register_scenarios[REGISTERS];

/* Once for the program, in a directory of its own. */
void registers_begin(void);
void registers_end(void);

#endif
