/*
 * commit_note.c - the note's bytes. No state.
 */
#include "image/commit_note.h"

#include <string.h>

#include "base/beside.h"
#include "base/codec.h"

#define MAGIC "IKCMIT\r\n"
#define VERSION 1

enum { HEAD = 12, FILE_HEAD = 42, TAIL = 4 };

bool ik_commit_name_valid(struct ik_str name) {
  if (name.len == 0 || name.len > IK_COMMIT_NAME_MAX) return false;
  if (memchr(name.ptr, '/', name.len) != NULL || memchr(name.ptr, '\0', name.len) != NULL)
    return false;
  return !ik_str_eq(name, IK_STR(".")) && !ik_str_eq(name, IK_STR("..")) &&
         !ik_str_eq(name, IK_STR(IK_COMMIT_NAME));
}

static int put_file(const struct ik_commit_file *file, struct ik_buf *out) {
  uint8_t head[FILE_HEAD] = {0};
  size_t len = strlen(file->name);
  head[0] = (uint8_t)file->method;
  head[1] = (uint8_t)len;
  ik_put_be(head + 2, file->size, 8);
  memcpy(head + 10, file->digest, IOTKIT_DIGEST_MAX);
  int rc = ik_buf_append(out, head, sizeof(head));
  return rc == 0 ? ik_buf_append(out, file->name, len) : rc;
}

int ik_commit_note_put(const struct ik_commit_file *files, size_t count, struct ik_buf *out) {
  uint8_t head[HEAD] = MAGIC;
  uint8_t tail[TAIL];
  head[8] = VERSION;
  head[9] = (uint8_t)count;
  int rc = ik_buf_append(out, head, sizeof(head));
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = put_file(&files[i], out);
  if (rc != 0) return rc;
  ik_put_be(tail, ik_crc32(0, ik_buf_ptr(out), ik_buf_size(out)), sizeof(tail));
  return ik_buf_append(out, tail, sizeof(tail));
}

/* Returns how many bytes the file takes, 0: it is none. */
static size_t read_file(const uint8_t *from, size_t len, struct ik_commit_file *out) {
  if (len < FILE_HEAD || from[0] > IOTKIT_DIGEST_SHA256) return 0;
  size_t name_len = from[1];
  struct ik_str name = {(const char *)from + FILE_HEAD, name_len};
  if (len - FILE_HEAD < name_len || !ik_commit_name_valid(name)) return 0;
  *out = (struct ik_commit_file){.size = ik_get_be(from + 2, 8),
                                 .method = (enum iotkit_digest_method)from[0]};
  memcpy(out->digest, from + 10, IOTKIT_DIGEST_MAX);
  memcpy(out->name, name.ptr, name_len);
  return FILE_HEAD + name_len;
}

ptrdiff_t ik_commit_note_read(const uint8_t *data, size_t len,
                              struct ik_commit_file files[IOTKIT_FILES_MAX]) {
  static const uint8_t magic[] = MAGIC;
  if (len < HEAD + TAIL || len > IK_COMMIT_NOTE_MAX) return -1;
  size_t end = len - TAIL;
  size_t count = data[9];
  if (memcmp(data, magic, sizeof(magic) - 1) != 0 || data[8] != VERSION) return -1;
  if (data[10] != 0 || data[11] != 0 || count == 0 || count > IOTKIT_FILES_MAX) return -1;
  if (ik_crc32(0, data, end) != ik_get_be(data + end, TAIL)) return -1;
  size_t at = HEAD;
  for (size_t i = 0; i < count; i++) {
    size_t used = read_file(data + at, end - at, &files[i]);
    if (used == 0) return -1;
    at += used;
  }
  return at == end ? (ptrdiff_t)count : -1;
}
