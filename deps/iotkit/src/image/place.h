/*
 * place.h - gives a part its final name; of a set so that a power cut leaves the bytes of each under one name at
 * least, for recover.c to complete it.
 */
#ifndef IK_IMAGE_PLACE_H
#define IK_IMAGE_PLACE_H

#include "port/port.h"

/* A part that is finished. */
struct ik_place {
  struct ik_osfile *os;
  const char *part;
  const char *path;
  uint64_t size;
};

/*
 * How many bytes placing them takes besides the parts, which are all in `directory`: IK_ENO_SPACE where they are not
 * there.
 */
int ik_place_check_space(const struct ik_place *places, size_t count, const char *directory,
                         char *detail);
/*
 * Results as of ik_osfile_rename(); IK_EFILE also: another program has taken the name; IK_ENO_SPACE. The part may be
 * still there, and goes by ik_place_clean() when all are durable.
 */
int ik_place_of_set(const struct ik_place *place, struct ik_osdir *directory, char *detail);
void ik_place_clean(const struct ik_place *place);
/* Of one that is no set's, by the part itself. */
int ik_place_alone(const struct ik_place *place, struct ik_osdir *directory, char *detail);

#endif
