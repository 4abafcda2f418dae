/*
 * saves.c - the saves, and what has to hold after each, whatever has failed.
 */
#include "faults/saves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/codec.h"
#include "download/job.h"
#include "faults/copies.h"
#include "faults/folder.h"
#include "image/commit_note.h"
#include "iotkit_file.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/file_world.h"
#include "support/http_server.h"

#define SIZE 150000u
#define HALF 70000u
#define BASE 1000u /* in place */
#define ROOM (SIZE + 2 * BASE)
#define OLD "the image before"
#define FILES_COUNT 3
#define FILE_SIZE (SIZE / FILES_COUNT)

static uint8_t image[SIZE];
static struct fake_web web;
static uint64_t cut_at; /* of each body; 0: none */

/* What the scenario of now saves, and how. */
static struct {
  const char *path;
  const char *target; /* where the image is then */
  const char *names;  /* what is in the directory when all has gone well */
  bool had_old;
  struct iotkit_save_options options;
} now;

/* Of several files. */
static const uint8_t *file_bytes(size_t index) {
  return image + index * 100;
}

/* ---- the server ---- */

static void serve(struct fake_web *from, const struct fake_request *request,
                  struct fake_answer *answer) {
  struct fake_request of = *request;
  const char *file = strstr(request->text, "GET /file");
  struct fake_web one = *from;
  if (file != NULL) {
    one.image = file_bytes((size_t)(file[9] - '0'));
    one.size = FILE_SIZE;
    if (of.is_open) of.end = one.size;
  }
  fake_web_serve(&one, &of, answer);
  if (cut_at > of.from)
    answer->cut = cut_at - of.from;
  else if (cut_at > 0)
    fake_web_status(answer, "503 x", "");
}

static void open_web(uint64_t cut) {
  web =
      (struct fake_web){.image = image, .size = SIZE, .tag = "\"v1\"", .answer = serve, .rng = {1}};
  cut_at = cut;
}

static char one_notice[1024], several_notice[2048];

static void digest_of(const uint8_t *bytes, size_t len, uint8_t value[IOTKIT_DIGEST_MAX]) {
  struct ik_digest *digest;
  if (ik_digest_new(IOTKIT_DIGEST_SHA256, &digest) != 0) abort();
  ik_digest_update(digest, bytes, len);
  ik_digest_value(digest, value);
  ik_digest_free(digest);
}

static void write_notices(void) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  char hex[65];
  digest_of(image, SIZE, value);
  ik_hex_encode(value, 32, hex);
  snprintf(one_notice, sizeof one_notice,
           "{\"message\":\"success\",\"data\":{\"size\":%u,\"version\":\"2\",\"url\":"
           "\"http://h.example/f\",\"signMethod\":\"SHA256\",\"sign\":\"%s\"}}",
           SIZE, hex);
  int len = snprintf(several_notice, sizeof several_notice,
                     "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"signMethod\":"
                     "\"SHA256\",\"files\":[");
  for (size_t i = 0; i < FILES_COUNT; i++) {
    digest_of(file_bytes(i), FILE_SIZE, value);
    ik_hex_encode(value, 32, hex);
    len += snprintf(several_notice + len, sizeof several_notice - (size_t)len,
                    "%s{\"fileSize\":%u,\"fileName\":\"%c\",\"fileUrl\":"
                    "\"http://h.example/file%zu\",\"fileSign\":\"%s\"}",
                    i > 0 ? "," : "", FILE_SIZE, (char)('a' + i), i, hex);
  }
  snprintf(several_notice + len, sizeof several_notice - (size_t)len, "]}}");
}

static int save_notice(const char *notice, char *detail) {
  static const struct iotkit_fetch_options fetch = {
      .retry_min_ms = 1, .retry_max_ms = 1, .max_retries = 1, .proxy = ""};
  iotkit_job_t *job;
  int rc = iotkit_job_parse(notice, strlen(notice), &fetch, &job, detail);
  if (rc != 0) return rc;
  ik_job_set_dial(job, fake_web_dial, &web);
  rc = iotkit_job_save(job, now.path, &now.options, detail);
  iotkit_job_unref(job);
  return rc;
}

static int save(char *detail) {
  return save_notice(one_notice, detail);
}

static int save_several(char *detail) {
  return save_notice(several_notice, detail);
}

/* ---- the directory ---- */

static bool holds(const char *path, const void *want, size_t want_len) {
  size_t len;
  if (!world_exists(path)) return false;
  uint8_t *bytes = world_get(path, &len);
  bool same = len == want_len && memcmp(bytes, want, len) == 0;
  free(bytes);
  return same;
}

static void put_old(const char *path) {
  world_put(path, OLD, sizeof OLD);
}

/* ---- what has to hold ---- */

/* Whether the library may say `rc` of that errno. What cannot be looked at is a file's error, too. */
static bool fits(const struct fault *fault, int rc) {
  bool looks = fault->call == CALL_stat64 || fault->call == CALL_lstat64 ||
               fault->call == CALL_fstat64 || fault->call == CALL_lseek64;
  switch (fault->error) {
  case ENOSPC:
  case EDQUOT:
    return rc == IK_ENO_SPACE;
  case NOTHING: /* a disk that takes not one byte is full; a file that ends early is broken */
    return rc == (fault->call == CALL_pwrite64 ? IK_ENO_SPACE : IK_EFILE);
  case EACCES:
  case EPERM:
  case EROFS:
    return rc == IK_EFILE_ACCESS || (looks && rc == IK_EFILE);
  case ENOENT:
    return rc == IK_EFILE_NOT_FOUND || (looks && rc == IK_EFILE);
  case ENOMEM:
    return rc == IK_ENO_MEMORY || (looks && rc == IK_EFILE);
  case EWOULDBLOCK:
    return rc == IK_EFILE_LOCKED;
  case EBUSY:
    return rc == IK_EFILE_LOCKED || rc == IK_EFILE;
  default:
    return rc == IK_EFILE;
  }
}

static void judge(const struct fault *fault, int rc, const char *detail) {
  if (rc >= 0) return;
  if (fault == NULL) {
    trial_wrong("%s: %s", iotkit_error_name(rc), detail);
    return;
  }
  bool harmless = fault->error == EINTR || fault->error == SHORT;
  if (harmless || fault->call == CALL_close)
    trial_wrong("%s, of what changes nothing: %s", iotkit_error_name(rc), detail);
  else if (!fits(fault, rc))
    trial_wrong("%s does not fit: %s", iotkit_error_name(rc), detail);
  if (detail[0] == '\0' && rc != IK_ENO_MEMORY)
    trial_wrong("%s has no detail", iotkit_error_name(rc));
}

static void check_names(void) {
  char names[1024];
  folder_list(".", names, sizeof names);
  if (strcmp(names, now.names) != 0) trial_wrong("there is in the end: %s", names);
}

/* The next run, of the part that may have been kept, and what is there in the end. */
static void check_next(bool kept) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  open_web(0);
  int rc = save(detail);
  if (rc != 0) trial_wrong("the next run: %s: %s", iotkit_error_name(rc), detail);
  if (kept && web.sent >= SIZE) trial_wrong("the next run has used nothing of what was kept");
  if (!holds(now.target, image, SIZE)) trial_wrong("the next run has not left the image");
  check_names();
}

/* What was received, with a record of the journal. Where nothing can be looked at more may stay. */
static bool is_kept(void) {
  char part[64], journal[64];
  struct stat st;
  snprintf(part, sizeof part, "%s.part", now.target);
  snprintf(journal, sizeof journal, "%s.part.journal", now.target);
  return stat(part, &st) == 0 && st.st_size > 0 && stat(journal, &st) == 0 && st.st_size > 64;
}

static void check_image(const struct fault *fault, int rc, const char *detail) {
  bool is_new = holds(now.target, image, SIZE);
  bool is_old = now.had_old ? holds(now.target, OLD, sizeof OLD) : !world_exists(now.target);
  bool kept = rc < 0 && is_kept();
  judge(fault, rc, detail);
  if (rc == 0 && !is_new) trial_wrong("0, but the image is not there");
  if (rc < 0 && is_new)
    trial_wrong("%s (%s), but the image is there", iotkit_error_name(rc), detail);
  if (!is_old && !is_new) trial_wrong("neither the old image nor the new one is there");
  check_next(kept);
}

/* ---- one image ---- */

static void enter(const char *path, const char *names) {
  folder_empty();
  memset(&now, 0, sizeof now);
  now.path = now.target = path;
  now.names = names;
  open_web(0);
}

static void leave_half(void) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  open_web(HALF);
  if (save(detail) >= 0) abort();
  open_web(0);
}

static void prepare_fresh(void) {
  enter("image", "image ");
  put_old("image");
  now.had_old = true;
}

static void prepare_resumed(void) {
  prepare_fresh();
  leave_half();
}

static void prepare_first(void) {
  enter("dir/image", "dir ");
  now.options.file.make_directory = true;
  now.options.file.mode = 0640;
}

static void prepare_without_resume(void) {
  prepare_resumed();
  now.options.no_resume = true;
}

/* A part without a journal is of no use to anybody. */
static void check_without_resume(const struct fault *fault, int rc, const char *detail) {
  bool looks = fault != NULL && (fault->call == CALL_lstat64 || fault->call == CALL_fstat64);
  bool orphan = world_exists("image.part") && !world_exists("image.part.journal");
  if (rc < 0 && orphan && !looks && fault != NULL && fault->call != CALL_unlink)
    trial_wrong("%s (%s), and a part without a journal is left", iotkit_error_name(rc), detail);
  now.options.no_resume = false;
  if (rc < 0) (void)remove("image.part");
  check_image(fault, rc, detail);
}

static void prepare_linked(void) {
  enter("link", "image link ");
  put_old("image");
  if (symlink("image", "link") != 0) abort();
  now.target = "image";
  now.had_old = true;
}

/* Somebody's link has the name of the part, and is not followed. */
static void prepare_foreign_part(void) {
  prepare_fresh();
  now.names = "elsewhere image ";
  put_old("elsewhere");
  if (symlink("elsewhere", "image.part") != 0) abort();
}

static void check_foreign_part(const struct fault *fault, int rc, const char *detail) {
  struct stat st;
  if (!holds("elsewhere", OLD, sizeof OLD)) trial_wrong("what the link leads to was written to");
  if (lstat("image.part", &st) == 0 && S_ISLNK(st.st_mode)) (void)remove("image.part");
  check_image(fault, rc, detail);
}

/* ---- in place ---- */

static uint8_t before[ROOM];

static void prepare_in_place(void) {
  enter("target", "target ");
  memset(before, 0x5a, sizeof before);
  world_put("target", before, sizeof before);
  now.options.file.in_place = true;
  now.options.file.base = BASE;
  now.options.file.journal = "journal";
}

static void prepare_in_place_resumed(void) {
  prepare_in_place();
  leave_half();
}

static void check_room(bool whole, const char *when) {
  size_t len;
  uint8_t *bytes = world_get("target", &len);
  if (len != ROOM || memcmp(bytes, before, BASE) != 0 ||
      memcmp(bytes + BASE + SIZE, before, BASE) != 0)
    trial_wrong("%s: what is around the image has changed", when);
  else if (whole && memcmp(bytes + BASE, image, SIZE) != 0)
    trial_wrong("%s: the image is not there", when);
  free(bytes);
}

static void check_in_place(const struct fault *fault, int rc, const char *detail) {
  char text[IOTKIT_DETAIL_MAX] = "";
  judge(fault, rc, detail);
  check_room(rc == 0, "after the run");
  open_web(0);
  rc = save(text);
  if (rc != 0) trial_wrong("the next run: %s: %s", iotkit_error_name(rc), text);
  check_room(true, "after the next run");
  check_names();
}

/* ---- several files ---- */

static void prepare_several(void) {
  enter("fw", "fw ");
  if (mkdir("fw", 0755) != 0) abort();
  put_old("fw/a");
  put_old("fw/b");
}

static void prepare_several_resumed(void) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  prepare_several();
  open_web(30000);
  if (save_several(detail) >= 0) abort();
  open_web(0);
}

static bool all_old(void) {
  return holds("fw/a", OLD, sizeof OLD) && holds("fw/b", OLD, sizeof OLD) && !world_exists("fw/c");
}

static bool all_new(const char *directory) {
  char path[64];
  for (size_t i = 0; i < FILES_COUNT; i++) {
    snprintf(path, sizeof path, "%s/%c", directory, (char)('a' + i));
    if (!holds(path, file_bytes(i), FILE_SIZE)) return false;
  }
  return true;
}

static void check_several(const struct fault *fault, int rc, const char *detail) {
  char text[IOTKIT_DETAIL_MAX] = "", names[256];
  judge(fault, rc, detail);
  if (rc == 0 && !all_new("fw")) trial_wrong("0, but not all files are there");
  if (!all_old() && !all_new("fw") && !world_exists("fw/" IK_COMMIT_NAME))
    trial_wrong("some are old, some are new, and no note says what is to be done");
  open_web(0);
  rc = save_several(text);
  if (rc != 0) trial_wrong("the next run: %s: %s", iotkit_error_name(rc), text);
  if (!all_new("fw")) trial_wrong("the next run has not left all files");
  folder_list("fw", names, sizeof names);
  if (strcmp(names, "a b c ") != 0) trial_wrong("there is in the end: %s", names);
}

/* ---- copied ---- */

static void prepare_copied(void) {
  prepare_fresh();
  now.names = "first image ";
  copies_begin(one_notice, image, SIZE);
}

/* Where the original cannot be had, it is fetched. */
static int copy(char *detail) {
  int rc = copies_run(one_notice, now.path, false, detail);
  return rc == IK_ECHANGED ? save(detail) : rc;
}

/* Where it cannot be a link, it is copied. */
static int link_to(char *detail) {
  int rc = copies_run(one_notice, now.path, true, detail);
  return rc == IK_ECHANGED ? save(detail) : rc;
}

static void check_copied(const struct fault *fault, int rc, const char *detail) {
  copies_end();
  check_image(fault, rc, detail);
}

/* ---- after a crash ---- */

/* Between two renames: the first file has its name. */
static void prepare_crashed(void) {
  static const char *const paths[FILES_COUNT] = {"a", "b.part", "c.part"};
  struct ik_commit_file rows[FILES_COUNT] = {0};
  struct ik_buf note;
  enter(".", "a b c ");
  put_old("b");
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  for (size_t i = 0; i < FILES_COUNT; i++) {
    rows[i].name[0] = (char)('a' + i);
    rows[i].size = FILE_SIZE;
    rows[i].method = IOTKIT_DIGEST_SHA256;
    digest_of(file_bytes(i), FILE_SIZE, rows[i].digest);
    world_put(paths[i], file_bytes(i), FILE_SIZE);
  }
  if (ik_commit_note_put(rows, FILES_COUNT, &note) != 0) abort();
  world_put(IK_COMMIT_NAME, ik_buf_ptr(&note), ik_buf_size(&note));
  ik_buf_free(&note);
}

static int recover(char *detail) {
  int rc = iotkit_file_recover(".", detail);
  return rc == 0 ? IK_EINTERNAL : rc; /* 0: it has seen no note */
}

static void check_recovered(const struct fault *fault, int rc, const char *detail) {
  char text[IOTKIT_DETAIL_MAX] = "";
  /* That there is no note, or half of one, is believed. */
  bool unseen =
      rc == IK_EINTERNAL && fault != NULL && (fault->error == ENOENT || fault->error == NOTHING);
  if (unseen && fault->error == NOTHING) return;
  if (!unseen) judge(fault, rc, detail);
  if (rc > 0 && !all_new(".")) trial_wrong("1, but not all files are there");
  rc = iotkit_file_recover(".", text);
  if (rc < 0) trial_wrong("the next run: %s: %s", iotkit_error_name(rc), text);
  if (!all_new(".")) trial_wrong("the commit was given up");
  check_names();
}

const struct scenario save_scenarios[SAVES] = {
    {"fresh", prepare_fresh, save, check_image, false},
    {"resumed", prepare_resumed, save, check_image, false},
    {"first", prepare_first, save, check_image, false},
    {"without-resume", prepare_without_resume, save, check_without_resume, false},
    {"linked", prepare_linked, save, check_image, false},
    {"foreign-part", prepare_foreign_part, save, check_foreign_part, false},
    {"in-place", prepare_in_place, save, check_in_place, false},
    {"in-place-resumed", prepare_in_place_resumed, save, check_in_place, false},
    {"several", prepare_several, save_several, check_several, false},
    {"several-resumed", prepare_several_resumed, save_several, check_several, false},
    {"copied", prepare_copied, copy, check_copied, false},
    {"hard-link", prepare_copied, link_to, check_copied, false},
    {"recover", prepare_crashed, recover, check_recovered, false},
};

static char directory[64];

bool saves_begin(void) {
  snprintf(directory, sizeof directory, "/dev/shm/iotkit-faults-XXXXXX"); /* a sync costs nothing */
  if (mkdtemp(directory) == NULL) {
    snprintf(directory, sizeof directory, "/tmp/iotkit-faults-XXXXXX");
    if (mkdtemp(directory) == NULL) return false;
  }
  for (size_t i = 0; i < SIZE; i++)
    image[i] = http_image_byte(i);
  write_notices();
  return chdir(directory) == 0;
}

void saves_end(void) {
  folder_empty();
  if (chdir("/") == 0) (void)rmdir(directory);
}
