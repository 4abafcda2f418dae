/*
 * copies.c - keeps one original, and makes another image from it.
 */
#include "faults/copies.h"

#include <stdlib.h>
#include <string.h>

#include "download/job.h"
#include "iotkit_file.h"

static iotkit_original_t *original;

static int open_image(const char *notice, const char *path, iotkit_image_t **out, char *detail) {
  static const struct iotkit_fetch_options fetch = {.proxy = ""};
  iotkit_job_t *job = NULL;
  *out = NULL;
  int rc = iotkit_job_parse(notice, strlen(notice), &fetch, &job, detail);
  if (rc == 0) rc = iotkit_image_new(job, out);
  iotkit_job_unref(job);
  return rc == 0 ? iotkit_image_open(*out, path, NULL, true, detail) : rc;
}

void copies_begin(const char *notice, const uint8_t *image, size_t size) {
  bool again;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *made;
  if (open_image(notice, "first", &made, detail) != 0 ||
      iotkit_image_write(made, 0, image, size, detail) != 0 ||
      iotkit_job_digest(iotkit_image_job(made), 0, image, size) != 0 ||
      ik_job_complete(iotkit_image_job(made), detail) != 0 ||
      iotkit_image_check(made, &again, detail) != 0 ||
      iotkit_image_keep_original(made, detail) != 0 || iotkit_image_commit(made, detail) != 0)
    abort();
  original = iotkit_image_original(made);
  iotkit_image_free(made);
}

int copies_run(const char *notice, const char *path, bool links, char *detail) {
  iotkit_image_t *made;
  int rc = open_image(notice, path, &made, detail);
  if (rc == 0) rc = (links ? iotkit_image_link : iotkit_image_copy)(made, original, detail);
  if (rc == 0) rc = iotkit_image_keep_original(made, detail);
  if (rc == 0) rc = iotkit_image_commit(made, detail);
  iotkit_image_free(made);
  return rc;
}

void copies_end(void) {
  iotkit_original_unref(original);
  original = NULL;
}
