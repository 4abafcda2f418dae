/*
 * folder.h - the working directory of a scenario, and what is in it.
 */
#ifndef TEST_FAULTS_FOLDER_H
#define TEST_FAULTS_FOLDER_H

#include <stddef.h>

/* Removes all that is in the working directory. */
void folder_empty(void);
/* The names in a directory, sorted, with a space after each. */
void folder_list(const char *directory, char *out, size_t cap);

#endif
