/*
 * sized.h - options structs whose first member says how large the caller's is, so that a program
 * and a library of different patch releases understand each other.
 *
 * Members are only ever appended, or take room that was reserved. A struct_size of 0 stands for
 * `first`, the layout of the soname's first release: as long as that is today's, it is the struct's
 * size; from the first member that is appended on it is a number of its own, which stays.
 */
#ifndef IK_BASE_SIZED_H
#define IK_BASE_SIZED_H

#include <stddef.h>

/*
 * Copies `given` into `out` of `known` bytes: members that the caller's struct does not have become
 * 0, which is their default; struct_size becomes `known`. IK_EINVALID_ARGUMENT, with `detail`: the
 * caller's struct has members that we do not know and that are not 0, or its size is none.
 */
int ik_sized_read(void *out, size_t known, size_t first, const void *given, char *detail);
/*
 * For a struct that another one holds by value, and that can therefore not grow: `size` is 0 or its
 * own. IK_EINVALID_ARGUMENT.
 */
int ik_sized_check_embedded(size_t size, size_t known, const char *member, char *detail);
/* Room for members to come has to be 0. IK_EINVALID_ARGUMENT. */
int ik_sized_check_reserved(const void *reserved, size_t len, char *detail);

/* Into a struct of the same type as the caller's header has, maybe shorter or longer. */
#define IK_SIZED_READ(out, given, detail)                                                          \
  ik_sized_read((out), sizeof(*(out)), sizeof(*(out)), (given), (detail))

#endif
