/*
 * image.h - an image being saved: the inside of iotkit_image_t (iotkit_file.h).
 *
 * What lives in save/: where a download (download/) and files (image/) meet. image.c opens the
 * targets of one image, gives each every byte, and ends each in one place; resume.c proves a part
 * to a job; copy.c makes an image from one that another job has fetched; save.c is the whole of a download
 * on the calling thread. It may include base/, image/, download/ and public headers.
 */
#ifndef IK_SAVE_IMAGE_H
#define IK_SAVE_IMAGE_H

#include "iotkit_file.h"

struct iotkit_image {
  iotkit_job_t *job; /* a reference */
  iotkit_file_t **files;
  size_t count;            /* of files: the open targets */
  bool resumable;          /* its targets can begin again */
  bool resumed;            /* bytes of an earlier run are part of the image */
  bool fetched_again;      /* all of it, since the digest was wrong */
  bool condemned;          /* it was found to be wrong: no part of it is kept */
  bool verified;           /* it was found to be right */
  enum iotkit_phase phase; /* 0 before the first */
  iotkit_phase_fn on_phase;
  void *on_phase_ctx;
  struct iotkit_original *original; /* a reference; NULL: none is kept */
  enum iotkit_made made;
};

/* Where its first target goes; "" before it has one. Lives as long as the target is open. */
const char *ik_image_path(const iotkit_image_t *image);
/*
 * Whether iotkit_image_commit_all() takes them, by the names of their targets. All have the same
 * number of targets. IK_EINVALID_ARGUMENT, IK_EFILE_ACCESS, with `detail`.
 */
int ik_image_check_set(iotkit_image_t *const *images, size_t count, char *detail);
#endif
