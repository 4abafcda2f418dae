/*
 * fat-set.c - three files that get their names together, here: `fat-set put 2` gives them the bytes of version 2,
 * `fat-set recover` completes what a power cut has interrupted. Ends with the version that all of them have, or with
 * 100 where they differ.
 */
#include <iotkit.h>
#include <iotkit_file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES 3
#define MIXED 100
#define FAILED 101

static const char *const names[FILES] = {"one.bin", "two.bin", "three.bin"};
static const size_t sizes[FILES] = {5000, 9000, 3000};
static char bytes[9000], wanted[9000];

static void fill(char *out, int file, int version) {
  for (size_t i = 0; i < sizes[file]; i++)
    out[i] = (char)(version * 64 + file * 16 + (int)(i % 16));
}

static int fail(const char *what, int error, const char *detail) {
  fprintf(stderr, "%s: %s (%d)\n", what, detail, error);
  return FAILED;
}

static int put(int version) {
  iotkit_file_t *files[FILES];
  uint64_t lengths[FILES];
  char detail[IOTKIT_DETAIL_MAX] = "";
  for (int i = 0; i < FILES; i++) {
    struct iotkit_file_options options = {.struct_size = sizeof options, .size = sizes[i]};
    int rc = iotkit_file_open(names[i], &options, &files[i], detail);
    fill(bytes, i, version);
    if (rc == 0) rc = iotkit_file_write(files[i], 0, bytes, sizes[i], detail);
    if (rc < 0) return fail(names[i], rc, detail);
    lengths[i] = sizes[i];
  }
  int rc = iotkit_file_commit_all(files, lengths, FILES, detail);
  return rc < 0 || *detail ? fail("commit", rc, detail) : 0;
}

static int version_of(int i) {
  FILE *file = fopen(names[i], "rb");
  size_t len = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (file) fclose(file);
  for (int version = 1; version <= 2; version++) {
    fill(wanted, i, version);
    if (len == sizes[i] && memcmp(bytes, wanted, len) == 0) return version;
  }
  return MIXED;
}

int main(int argc, char **argv) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = 0;
  if (argc == 3 && strcmp(argv[1], "put") == 0)
    rc = put(atoi(argv[2]));
  else if (iotkit_file_recover(".", detail) < 0)
    rc = fail("recover", MIXED, detail);
  if (rc != 0) return rc;
  for (int i = 1; i < FILES; i++) {
    if (version_of(i) != version_of(0)) return MIXED;
  }
  return version_of(0);
}
