/*
 * alone.c - the C library by itself: one thread, no Node.js. Saves an image into a file, or fetches it and drops the
 * bytes, digested in both; then prints what it took.
 *
 *   alone CA_FILE NOTICE TARGET     TARGET "-": no file. NOTICE: JSON, as the platform announces it
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "iotkit.h"

enum { CA_MAX = 1024 * 1024, BLOCK = 256 * 1024 };

static double seconds_of(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static double wall_seconds(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int make_tls(const char *ca_file, iotkit_tls_t **out, char *detail) {
  FILE *file = fopen(ca_file, "rb");
  char *text = calloc(1, CA_MAX + 1);
  int rc = IK_ETLS_CA;
  if (file != NULL && text != NULL && fread(text, 1, CA_MAX, file) > 0) {
    const struct iotkit_tls_options options = {.ca = text};
    rc = iotkit_tls_new(&options, out, detail);
  }
  if (file != NULL) fclose(file);
  free(text);
  return rc;
}

static int fetch(iotkit_job_t *job, char *detail) {
  static unsigned char block[BLOCK];
  uint64_t offset;
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) {
    int64_t got = iotkit_job_fetch(job, block, sizeof(block), 250, &offset);
    if (got < 0) {
      iotkit_job_error(job, detail);
      return (int)got;
    }
  }
  return iotkit_job_check(job);
}

int main(int argc, char **argv) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  iotkit_job_t *job = NULL;
  if (argc != 4) return 2;
  int rc = make_tls(argv[1], &tls, detail);
  const struct iotkit_fetch_options options = {.tls = tls};
  if (rc == 0) rc = iotkit_job_parse(argv[2], strlen(argv[2]), &options, &job, detail);
  const double cpu = cpu_seconds();
  const double begin = wall_seconds();
  if (rc == 0)
    rc = strcmp(argv[3], "-") == 0 ? fetch(job, detail)
                                   : iotkit_job_save(job, argv[3], NULL, detail);
  if (rc == 0) printf("%.6f %.6f\n", wall_seconds() - begin, cpu_seconds() - cpu);
  if (rc != 0) fprintf(stderr, "alone: %s: %s\n", iotkit_error_name(rc), detail);
  iotkit_job_unref(job);
  iotkit_tls_unref(tls);
  return rc == 0 ? 0 : 1;
}
