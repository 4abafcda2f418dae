/*
 * folder.c - the working directory of a scenario.
 */
#include "faults/folder.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)st, (void)type;
  return at->level > 0 ? remove(path) : 0;
}

void folder_empty(void) {
  if (nftw(".", remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0) abort();
}

void folder_list(const char *directory, char *out, size_t cap) {
  struct dirent **entries;
  int count = scandir(directory, &entries, NULL, alphasort);
  size_t len = 0;
  out[0] = '\0';
  for (int i = 0; i < count; i++) {
    if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
      len += (size_t)snprintf(out + len, cap - len, "%s ", entries[i]->d_name);
    free(entries[i]);
  }
  if (count >= 0) free(entries);
}
