/*
 * files.c - reads, copies and compares the files of an upgrade. Each file owns its texts, each
 * allocated apart.
 */
#include "alink/files.h"

#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "base/limits.h"
#include "iotkit_errors.h"

static bool ends_with(struct ik_str text, struct ik_str end) {
  if (text.len < end.len) return false;
  return ik_str_eq((struct ik_str){text.ptr + text.len - end.len, end.len}, end);
}

bool ik_file_name_valid(const char *name) {
  struct ik_str text = ik_str(name);
  if (text.len == 0 || text.len > IK_FILE_NAME_MAX) return false;
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    if (c < 0x20 || c == 0x7f || c == '/') return false;
  }
  if (ik_str_eq(text, IK_STR(".")) || ik_str_eq(text, IK_STR(".."))) return false;
  /* What stands there until all files are complete. */
  return !ends_with(text, IK_STR(IK_PART_SUFFIX)) && !ends_with(text, IK_STR(IK_JOURNAL_ENDING)) &&
         !ik_str_eq(text, IK_STR(IK_COMMIT_NAME));
}

static bool same_name(const struct iotkit_upgrade_file *a, const struct iotkit_upgrade_file *b) {
  return strcmp(a->name, b->name) == 0;
}

static int read_name(const struct ik_fields *in, const struct ik_files *files,
                     struct iotkit_upgrade_file *file) {
  int rc = ik_fields_text(in, "fileName", IK_FILE_NAME_MAX, true, &file->name);
  if (rc != 0) return rc;
  if (!ik_file_name_valid(file->name)) {
    return ik_fields_refuse(in, "fileName", "is not a file's name");
  }
  for (size_t i = 0; i < files->count; i++) {
    if (same_name(&files->items[i], file)) {
      return ik_fields_refuse(in, "fileName", "is that of another file");
    }
  }
  return 0;
}

static int read_file(const struct ik_fields *in, enum iotkit_digest_method method,
                     struct ik_files *files, struct iotkit_upgrade_file *file) {
  if (in->object->type != IK_JSON_OBJECT) return ik_fields_refuse(in, "file", "is not an object");
  file->digest_method = method;
  int rc = read_name(in, files, file);
  if (rc == 0) rc = ik_fields_size(in, "fileSize", IK_IMAGE_MAX - files->size, &file->size);
  if (rc == 0) rc = ik_fields_url(in, "fileUrl", &file->url);
  if (rc == 0) rc = ik_fields_digest(in, method, "fileSign", "fileMd5", file->digest);
  files->size += rc == 0 ? file->size : 0;
  return rc;
}

static struct iotkit_upgrade_file *new_files(size_t count) {
  struct iotkit_upgrade_file *items = calloc(count, sizeof(*items));
  for (size_t i = 0; items != NULL && i < count; i++)
    items[i].name = items[i].url = ik_fields_absent;
  return items;
}

int ik_files_read(const struct ik_fields *in, enum iotkit_digest_method method,
                  struct ik_files *out) {
  const struct ik_json_node *list = ik_fields_get(in, "files");
  *out = (struct ik_files){0};
  if (list->type != IK_JSON_ARRAY) return ik_fields_refuse(in, "files", "is not an array");
  if (list->count > IOTKIT_FILES_MAX) {
    return ik_refuse(in->detail, IK_ENOTICE_FIELD, "files: are more than %d", IOTKIT_FILES_MAX);
  }
  out->items = new_files(list->count);
  if (out->items == NULL) return IK_ENO_MEMORY;
  const struct ik_json_node *node = ik_json_first(in->json, list);
  for (; node != NULL; node = ik_json_next(in->json, node)) {
    char why[IOTKIT_DETAIL_MAX] = "";
    const struct ik_fields file = {in->json, node, why};
    int rc = read_file(&file, method, out, &out->items[out->count]);
    out->count++;
    if (rc == 0) continue;
    ik_detail(in->detail, "files[%zu]: %s", out->count - 1, why);
    return rc;
  }
  return 0;
}

int ik_files_copy(const struct ik_files *files, struct ik_files *out) {
  *out = (struct ik_files){0};
  if (files->count == 0) return 0;
  out->items = new_files(files->count);
  if (out->items == NULL) return IK_ENO_MEMORY;
  out->size = files->size;
  for (; out->count < files->count; out->count++) {
    const struct iotkit_upgrade_file *from = &files->items[out->count];
    struct iotkit_upgrade_file *to = &out->items[out->count];
    const char *url;
    const char *name;
    bool ok = ik_fields_copy_text(from->name, &name);
    ok = ik_fields_copy_text(from->url, &url) && ok;
    *to = *from;
    to->name = name;
    to->url = url;
    if (ok) continue;
    out->count++;
    ik_files_free(out);
    return IK_ENO_MEMORY;
  }
  return 0;
}

void ik_files_free(struct ik_files *files) {
  for (size_t i = 0; i < files->count; i++) {
    ik_fields_free_text(files->items[i].name);
    ik_fields_free_text(files->items[i].url);
  }
  free(files->items);
  *files = (struct ik_files){0};
}

bool ik_files_equal(const struct ik_files *a, const struct ik_files *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++) {
    const struct iotkit_upgrade_file *x = &a->items[i];
    const struct iotkit_upgrade_file *y = &b->items[i];
    if (!same_name(x, y) || x->size != y->size || x->digest_method != y->digest_method ||
        memcmp(x->digest, y->digest, sizeof(x->digest)) != 0) {
      return false;
    }
  }
  return true;
}
