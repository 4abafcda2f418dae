/*
 * names.c - names of files. No state, no I/O.
 */
#include "image/names.h"

#include <string.h>

#include "base/buf.h"
#include "base/limits.h"

char *ik_file_name(const char *path, const char *suffix) {
  struct ik_buf text;
  char *name = NULL;
  ik_buf_init(&text, IK_PATH_MAX);
  if (ik_buf_printf(&text, "%s%s", path, suffix) == 0) {
    name = ik_str_dup((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)});
  }
  ik_buf_free(&text);
  return name;
}

char *ik_file_directory(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ik_str_dup(IK_STR("."));
  return ik_str_dup((struct ik_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

const char *ik_file_last_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}
