/*
 * copies.h - an image that is made from one that was saved before, for the scenarios of saves.c.
 */
#ifndef TEST_FAULTS_COPIES_H
#define TEST_FAULTS_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Saves the image of the notice as "first", and keeps it as the original. */
void copies_begin(const char *notice, const uint8_t *image, size_t size);
/* Makes another at `path`, by a hard link if it may be one: 0, or the error that ended it. */
int copies_run(const char *notice, const char *path, bool links, char *detail);
void copies_end(void);

#endif
