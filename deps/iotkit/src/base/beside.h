/*
 * beside.h - names of what stands beside an image until it is complete. `image/` makes these files,
 * so no file of a notice may bear such a name.
 */
#ifndef IK_BESIDE_H
#define IK_BESIDE_H

#define IK_PART_SUFFIX ".part"
/* A part of a part: no image of its own may have that name beside the part (ik_file_check_apart()). */
#define IK_LINK_SUFFIX IK_PART_SUFFIX IK_PART_SUFFIX
#define IK_JOURNAL_SUFFIX ".part.journal"
#define IK_JOURNAL_ENDING ".journal" /* also of a journal whose path the program chose */
#define IK_COMMIT_NAME ".iotkit-commit"

#endif
