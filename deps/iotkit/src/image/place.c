/* Tested by deps/iotkit/test/image/test_commit.c, and on a FAT that Linux has mounted by test/boot/fat.test.ts. */
/*
 * place.c - by a rename; of a set, where that may lose the file (FAT), by a copy of the part that gets the name.
 */
#include "image/place.h"

#include <stdlib.h>

#include "base/beside.h"
#include "base/limits.h"
#include "image/content.h"
#include "image/names.h"

typedef unsigned long long ull;

int ik_place_check_space(const struct ik_place *places, size_t count, const char *directory,
                         char *detail) {
  uint64_t needed = 0, available;
  for (size_t i = 0; i < count; i++)
    needed += ik_osfile_rename_may_lose(places[i].os) ? places[i].size : 0;
  if (needed == 0 || ik_path_free_space(directory, &available) < 0 || available >= needed) return 0;
  return ik_refuse(detail, IK_ENO_SPACE,
                   "%s: %llu bytes needed to put several files there at once, %llu free", directory,
                   (ull)needed, (ull)available);
}

/*
 * In a directory of others another file may have taken the part's name since it was checked. Where the
 * system cannot say, what was renamed is what was checked.
 */
static int rename_to(struct ik_osfile *os, const char *from, const struct ik_place *place,
                     struct ik_osdir *directory, char *detail) {
  int rc = ik_osfile_rename(os, from, place->path, directory, detail);
  if (rc < 0 || ik_osfile_at(os, place->path, NULL) != 0) return rc;
  return ik_refuse(detail, IK_EFILE, "%s was replaced by another program", place->path);
}

static int fill(struct ik_osfile *copy, const struct ik_place *place, char *detail) {
  int rc = ik_osfile_truncate(copy, 0, detail); /* of a run that was interrupted */
  if (rc == 0) rc = ik_content_copy(copy, place->os, place->size, detail);
  return rc == 0 ? ik_osfile_sync(copy, detail) : rc;
}

static int place_copy(const struct ik_place *place, struct ik_osdir *directory, char *detail) {
  struct ik_osfile *copy = NULL;
  char *name = ik_file_name(place->path, IK_LINK_SUFFIX);
  int rc = name ? ik_osfile_open_own(name, IK_OSFILE_CREATE, &copy, detail) : IK_ENO_MEMORY;
  if (rc == 0) rc = fill(copy, place, detail);
  if (rc == 0) rc = rename_to(copy, name, place, directory, detail);
  if (rc < 0 && copy && ik_osfile_is_at(copy, name)) (void)ik_path_remove(name);
  ik_osfile_close(copy);
  free(name);
  return rc;
}

int ik_place_alone(const struct ik_place *place, struct ik_osdir *directory, char *detail) {
  return rename_to(place->os, place->part, place, directory, detail);
}

int ik_place_of_set(const struct ik_place *place, struct ik_osdir *directory, char *detail) {
  return ik_osfile_rename_may_lose(place->os) ? place_copy(place, directory, detail)
                                              : ik_place_alone(place, directory, detail);
}

void ik_place_clean(const struct ik_place *place) {
  if (ik_osfile_is_at(place->os, place->part)) (void)ik_path_remove(place->part);
}
