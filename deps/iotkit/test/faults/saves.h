/*
 * saves.h - saves of images, as scenarios: fresh, resumed, in place, several files, copied from
 * one that was saved before, the completion of a commit that a crash has interrupted. The server is in memory.
 *
 * Whatever fails, the call says the right image is there and it is, or its error fits and the old one
 * is whole; nothing stays open, and the next run needs nothing but what is kept and the server.
 */
#ifndef TEST_FAULTS_SAVES_H
#define TEST_FAULTS_SAVES_H

#include "faults/trial.h"

#define SAVES 13

extern const struct scenario save_scenarios[SAVES];

/* A directory of the program's own, and the image. False: there is none. */
bool saves_begin(void);
void saves_end(void);

#endif
