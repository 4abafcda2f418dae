/*
 * credentials_file.c - credentials in a private file. Blocks as disks do; by one thread at a time.
 */
#include "channel/credentials_file.h"

#include <stdlib.h>
#include <string.h>

#include "alink/credentials.h"
#include "image/private_file.h"

struct ik_credentials_file {
  char *path;
  struct ik_private_file *making; /* NULL: the right to register is not held */
};

struct ik_credentials_file *ik_credentials_file_new(const char *path) {
  struct ik_credentials_file *file = calloc(1, sizeof *file);
  if (file) file->path = ik_str_dup(ik_str(path));
  if (file && file->path) return file;
  free(file);
  return NULL;
}

void ik_credentials_file_free(struct ik_credentials_file *file) {
  if (!file) return;
  ik_private_file_free(file->making);
  free(file->path);
  free(file);
}

static int check_names(const char *path, const struct iotkit_credentials *names,
                       const struct iotkit_credentials *got, char *detail) {
  if (strcmp(names->product_key, got->product_key) == 0 &&
      strcmp(names->device_name, got->device_name) == 0)
    return 0;
  return ik_refuse(detail, IK_ECREDENTIALS_OTHER,
                   "%.120s is for %s of %s; each device needs its own", path, got->device_name,
                   got->product_key);
}

static int read_file(const char *path, const struct iotkit_credentials *names,
                     struct iotkit_credentials *out, char *detail) {
  char why[IOTKIT_DETAIL_MAX] = "";
  struct ik_buf text;
  ik_buf_init(&text, IK_CREDENTIALS_TEXT_MAX);
  int rc = ik_private_file_read(path, &text, detail);
  if (rc == IK_ETOO_LONG) rc = IK_ECREDENTIALS_DAMAGED;
  if (rc == 0) {
    rc = ik_credentials_read((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)},
                             out, why);
    if (rc == IK_ECREDENTIALS_DAMAGED)
      ik_detail(detail,
                "%.120s: %.60s; restore it, or reset the device at the platform and remove it",
                path, why);
    if (rc == 0) rc = check_names(path, names, out, detail);
  }
  ik_buf_free(&text);
  return rc;
}

int ik_credentials_file_open(struct ik_credentials_file *file,
                             const struct iotkit_credentials *names, struct iotkit_credentials *out,
                             char *detail) {
  int rc = read_file(file->path, names, out, detail);
  if (rc != IK_EFILE_NOT_FOUND) return rc < 0 ? rc : 1;
  rc = ik_private_file_lock(file->path, IK_CREDENTIALS_TEXT_MAX, &file->making, detail);
  if (rc < 0) return rc;
  /* The one that had it before may have made the file. */
  rc = read_file(file->path, names, out, detail);
  if (rc == IK_EFILE_NOT_FOUND) return 0;
  ik_private_file_free(file->making);
  file->making = NULL;
  return rc < 0 ? rc : 1;
}

int ik_credentials_file_save(struct ik_credentials_file *file,
                             const struct iotkit_credentials *credentials, char *detail) {
  struct ik_buf text;
  ik_buf_init(&text, IK_CREDENTIALS_TEXT_MAX);
  int rc = ik_credentials_write(credentials, &text);
  if (rc == 0)
    rc = ik_private_file_commit(file->making, ik_buf_ptr(&text), ik_buf_size(&text), detail);
  ik_buf_free(&text);
  return rc;
}
