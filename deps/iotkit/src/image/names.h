/*
 * names.h - the files that stand beside an image while it is written, and the parts of a path.
 */
#ifndef IK_IMAGE_NAMES_H
#define IK_IMAGE_NAMES_H

/* "<path><suffix>", for the caller to free; NULL: out of memory or too long. */
char *ik_file_name(const char *path, const char *suffix);
/* The directory of `path`, "." where it names none; for the caller to free. NULL: out of memory. */
char *ik_file_directory(const char *path);
/* What follows the last '/'; points into `path`. */
const char *ik_file_last_name(const char *path);

#endif
