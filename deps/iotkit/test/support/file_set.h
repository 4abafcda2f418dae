/*
 * file_set.h - three images that get their names together, over two files that were there before.
 */
#ifndef TEST_FILE_SET_H
#define TEST_FILE_SET_H

#include "support/file_world.h"

#define FILES 3

extern const char *const set_names[FILES]; /* "a", "b", "c" */
extern struct image set_images[FILES];     /* SHA-256, MD5, SHA-256 */

/* Set-up and tear-down: the images, and an empty directory. */
int set_enter(void **state);
int set_leave(void **state);
/* What is there before: "a" and "b"; of the third there is no old one. */
void set_put_old_files(void);
/* Receives all of each, of which the third has no key, up to the commit. */
void set_receive(iotkit_file_t *files[FILES], uint64_t sizes[FILES]);
bool set_holds(const char *path, const void *want, size_t want_len);
bool set_is_old(void);
bool set_is_new(void);

#endif
