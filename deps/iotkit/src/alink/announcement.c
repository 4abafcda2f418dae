/*
 * announcement.c - the life of announcements, and which of them bring the same image. An
 * announcement owns its texts, each allocated apart; ik_fields_absent stands for an absent one and
 * is not freed.
 */
#include "alink/announcement.h"

#include <stdlib.h>
#include <string.h>

#include "alink/fields.h"
#include "iotkit_errors.h"

/* ---- what a configuration adds ---- */

static struct iotkit_config_info *new_config(void) {
  struct iotkit_config_info *config = calloc(1, sizeof(*config));
  if (config == NULL) return NULL;
  config->config_id = config->sign = ik_fields_absent;
  config->sign_method = config->get_type = ik_fields_absent;
  return config;
}

static void free_config(struct iotkit_config_info *config) {
  if (config == NULL) return;
  ik_fields_free_text(config->config_id);
  ik_fields_free_text(config->sign);
  ik_fields_free_text(config->sign_method);
  ik_fields_free_text(config->get_type);
  free(config);
}

static struct iotkit_config_info *copy_config(const struct iotkit_config_info *config) {
  struct iotkit_config_info *copy = new_config();
  if (copy == NULL) return NULL;
  copy->pushed = config->pushed;
  if (ik_fields_copy_text(config->config_id, &copy->config_id) &&
      ik_fields_copy_text(config->sign, &copy->sign) &&
      ik_fields_copy_text(config->sign_method, &copy->sign_method) &&
      ik_fields_copy_text(config->get_type, &copy->get_type)) {
    return copy;
  }
  free_config(copy);
  return NULL;
}

int ik_announcement_add_config(struct ik_announcement *announcement) {
  announcement->config = new_config();
  return announcement->config != NULL ? 0 : IK_ENO_MEMORY;
}

/* ---- life ---- */

/* Clears what each announcement must own itself, so that none of it is shared with another. */
static void clear_owned(struct iotkit_upgrade *upgrade) {
  upgrade->id = upgrade->module = upgrade->version = upgrade->url = ik_fields_absent;
  upgrade->digest_sign = upgrade->ext_data = upgrade->statement_sign = ik_fields_absent;
  upgrade->files = NULL;
  upgrade->file_count = 0;
}

void ik_announcement_init(struct ik_announcement *announcement) {
  memset(announcement, 0, sizeof(*announcement));
  clear_owned(&announcement->upgrade);
  announcement->file_name = ik_fields_absent;
}

void ik_announcement_show_files(struct ik_announcement *announcement) {
  announcement->upgrade.files = announcement->files.items;
  announcement->upgrade.file_count = announcement->files.count;
}

static bool copy_texts(const struct iotkit_upgrade *from, struct iotkit_upgrade *to) {
  return ik_fields_copy_text(from->id, &to->id) && ik_fields_copy_text(from->module, &to->module) &&
         ik_fields_copy_text(from->version, &to->version) &&
         ik_fields_copy_text(from->url, &to->url) &&
         ik_fields_copy_text(from->digest_sign, &to->digest_sign) &&
         ik_fields_copy_text(from->ext_data, &to->ext_data) &&
         ik_fields_copy_text(from->statement_sign, &to->statement_sign);
}

static int copy_owned(const struct ik_announcement *announcement, struct ik_announcement *out) {
  if (!copy_texts(&announcement->upgrade, &out->upgrade) ||
      !ik_fields_copy_text(announcement->file_name, &out->file_name)) {
    return IK_ENO_MEMORY;
  }
  if (announcement->config != NULL) {
    out->config = copy_config(announcement->config);
    if (out->config == NULL) return IK_ENO_MEMORY;
  }
  int rc = ik_files_copy(&announcement->files, &out->files);
  ik_announcement_show_files(out);
  return rc;
}

int ik_announcement_copy(const struct ik_announcement *announcement, struct ik_announcement *out) {
  ik_announcement_init(out);
  out->nothing = announcement->nothing;
  out->has_md5 = announcement->has_md5;
  memcpy(out->md5, announcement->md5, sizeof(out->md5));
  out->upgrade = announcement->upgrade;
  clear_owned(&out->upgrade);
  int rc = copy_owned(announcement, out);
  if (rc != 0) ik_announcement_free(out);
  return rc;
}

/* The file's texts, and those of the upgrade that hold for each of its files. */
static bool copy_file_texts(const struct iotkit_upgrade *from,
                            const struct iotkit_upgrade_file *file, struct iotkit_upgrade *to) {
  return ik_fields_copy_text(from->id, &to->id) && ik_fields_copy_text(from->module, &to->module) &&
         ik_fields_copy_text(from->version, &to->version) &&
         ik_fields_copy_text(file->url, &to->url) &&
         ik_fields_copy_text(from->ext_data, &to->ext_data);
}

int ik_announcement_file(const struct ik_announcement *announcement, size_t index,
                         struct ik_announcement *out) {
  ik_announcement_init(out);
  if (index >= announcement->files.count) return IK_EINVALID_ARGUMENT;
  const struct iotkit_upgrade_file *file = &announcement->files.items[index];
  struct iotkit_upgrade *to = &out->upgrade;
  to->size = file->size;
  to->digest_method = file->digest_method;
  memcpy(to->digest, file->digest, sizeof(to->digest));
  to->is_diff = announcement->upgrade.is_diff;
  if (copy_file_texts(&announcement->upgrade, file, to) &&
      ik_fields_copy_text(file->name, &out->file_name)) {
    return 0;
  }
  ik_announcement_free(out);
  return IK_ENO_MEMORY;
}

void ik_announcement_free(struct ik_announcement *announcement) {
  struct iotkit_upgrade *upgrade = &announcement->upgrade;
  ik_fields_free_text(upgrade->id);
  ik_fields_free_text(upgrade->module);
  ik_fields_free_text(upgrade->version);
  ik_fields_free_text(upgrade->url);
  ik_fields_free_text(upgrade->digest_sign);
  ik_fields_free_text(upgrade->ext_data);
  ik_fields_free_text(upgrade->statement_sign);
  ik_fields_free_text(announcement->file_name);
  free_config(announcement->config);
  ik_files_free(&announcement->files);
  ik_announcement_init(announcement);
}

/* ---- comparing ---- */

static bool same_bytes(uint64_t size, enum iotkit_digest_method method, const uint8_t *digest,
                       const struct iotkit_upgrade *image) {
  return size == image->size && method == image->digest_method &&
         memcmp(digest, image->digest, sizeof(image->digest)) == 0;
}

bool ik_announcement_same_image(const struct ik_announcement *a, const struct ik_announcement *b) {
  const struct iotkit_upgrade *x = &a->upgrade;
  return x->protocol == b->upgrade.protocol &&
         same_bytes(x->size, x->digest_method, x->digest, &b->upgrade) &&
         ik_files_equal(&a->files, &b->files);
}

const char *ik_announcement_url_of(const struct ik_announcement *announcement,
                                   const struct ik_announcement *image) {
  const struct iotkit_upgrade *wanted = &image->upgrade;
  if (image->files.count > 0 || wanted->protocol != IOTKIT_PROTOCOL_HTTP) return NULL;
  if (ik_announcement_same_image(announcement, image)) return announcement->upgrade.url;
  for (size_t i = 0; i < announcement->files.count; i++) {
    const struct iotkit_upgrade_file *file = &announcement->files.items[i];
    if (same_bytes(file->size, file->digest_method, file->digest, wanted)) return file->url;
  }
  return NULL;
}

/* The platform calls the device's own module "default", or leaves the name out. */
static bool same_module(const char *a, const char *b) {
  static const char own[] = "default";
  return strcmp(a[0] != '\0' ? a : own, b[0] != '\0' ? b : own) == 0;
}

bool ik_announcement_equal(const struct ik_announcement *a, const struct ik_announcement *b) {
  const struct iotkit_upgrade *x = &a->upgrade;
  const struct iotkit_upgrade *y = &b->upgrade;
  return strcmp(x->id, y->id) == 0 && same_module(x->module, y->module) &&
         strcmp(x->version, y->version) == 0 && ik_announcement_same_image(a, b);
}
