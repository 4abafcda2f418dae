/*
 * Other local users, in a directory that they may write to as well: nothing of theirs is opened,
 * believed or truncated, and lends nothing to the image. Runs as root, which plays the others by
 * fork and setresuid(); skipped elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beside.h"
#include "image/commit.h"
#include "image/commit_note.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"

#define SIZE 5000
#define VICTIM "victim"

static const uid_t others[] = {65534, 12345};
static const mode_t kinds_of_directory[] = {0777, 01777, 0775};
static struct image image;

static int enter(void **state) {
  struct rng rng = {11};
  image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  if (world_enter(state) != 0) return -1;
  umask(022);
  return chmod(".", 0755) == 0 && mkdir("shared", 0755) == 0 ? 0 : -1;
}

static int leave(void **state) {
  image_free(&image);
  return world_leave(state);
}

static void need_root(void) {
  if (geteuid() == 0) return;
  puts("skipped: needs root, to be two users");
  skip();
}

/* Runs `what` as another user, in a process that then ends. What it does not assert it returns. */
static int as(uid_t uid, int (*what)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    bool is_other =
        setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0;
    _exit(is_other ? what() : 99);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void put_victim(void) {
  world_put(VICTIM, "precious", 8);
  assert_int_equal(chmod(VICTIM, 0600), 0);
}

static void assert_victim(void) {
  size_t len;
  struct stat st;
  uint8_t *bytes = world_get(VICTIM, &len);
  assert_int_equal(len, 8);
  assert_memory_equal(bytes, "precious", 8);
  free(bytes);
  assert_int_equal(stat(VICTIM, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(st.st_uid, geteuid());
}

static int download(const char *path) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&image);
  int rc = iotkit_file_open(path, &options, &file, NULL);
  if (rc == 0) {
    int64_t at = iotkit_file_resume(file, job, NULL);
    image_receive(&image, file, job, at > 0 ? (size_t)at : 0, SIZE, 1000);
    rc = iotkit_file_commit(file, SIZE, NULL);
  }
  iotkit_job_unref(job);
  return rc;
}

static void assert_image_is_ours(const char *path, mode_t mode) {
  struct stat st;
  image_assert_at(&image, path);
  assert_int_equal(lstat(path, &st), 0);
  assert_true(S_ISREG(st.st_mode));
  assert_int_equal(st.st_uid, geteuid());
  assert_int_equal(st.st_gid, getegid());
  assert_int_equal(st.st_mode & 07777, mode);
  assert_int_equal(st.st_nlink, 1);
}

/* ---- what others may lay at a name ---- */

static uid_t owner; /* of what is laid there */

static void put_foreign(const char *path, mode_t mode) {
  world_put(path, "foreign", 7);
  assert_int_equal(chown(path, owner, owner), 0);
  assert_int_equal(chmod(path, mode), 0);
}

static void a_file(const char *path) {
  put_foreign(path, 0644);
}
static void a_file_for_all(const char *path) {
  put_foreign(path, 0666);
}
static void a_set_uid_file(const char *path) {
  put_foreign(path, 06777);
}
static void our_file_for_all(const char *path) {
  world_put(path, "ours", 4);
  assert_int_equal(chmod(path, 0666), 0);
}
static void our_file_for_the_group(const char *path) {
  world_put(path, "ours", 4);
  assert_int_equal(chmod(path, 0660), 0);
}
static void a_link(const char *path) {
  assert_int_equal(symlink("../" VICTIM, path), 0);
  assert_int_equal(lchown(path, owner, owner), 0);
}
static void our_link(const char *path) {
  assert_int_equal(symlink("../" VICTIM, path), 0);
}
static void a_link_to_the_image(const char *path) {
  assert_int_equal(symlink("image", path), 0);
  assert_int_equal(lchown(path, owner, owner), 0);
}
static void a_link_to_nowhere(const char *path) {
  assert_int_equal(symlink("../made", path), 0);
  assert_int_equal(lchown(path, owner, owner), 0);
}
static void a_hard_link(const char *path) {
  assert_int_equal(link(VICTIM, path), 0);
}
static void a_fifo(const char *path) {
  assert_int_equal(mkfifo(path, 0666), 0);
  assert_int_equal(chown(path, owner, owner), 0);
}
static void a_device(const char *path) {
  if (mknod(path, S_IFCHR | 0666, makedev(1, 3)) != 0) world_put(path, "no device here", 14);
}

static void (*const things[])(const char *path) = {
    a_file, a_file_for_all, a_set_uid_file,      our_file_for_all,  our_file_for_the_group,
    a_link, our_link,       a_link_to_the_image, a_link_to_nowhere, a_hard_link,
    a_fifo, a_device};

static void at_each_name(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "shared/%s", name);
  for (size_t i = 0; i < COUNT(things); i++) {
    owner = others[i % COUNT(others)];
    put_victim();
    world_put("shared/image", "old", 3);
    things[i](path);
    if (download("shared/image") != 0) fail_msg("%s, thing %zu", name, i);
    assert_image_is_ours("shared/image", 0644);
    assert_victim();
    assert_false(world_exists("made"));
    if (strcmp(name, IK_COMMIT_NAME) == 0) remove(path); /* which one file alone has no use for */
    world_assert_names("shared", "image");
    assert_int_equal(remove("shared/image"), 0);
    assert_int_equal(remove(VICTIM), 0);
  }
}

static void nothing_of_others_is_used(void **state) {
  (void)state;
  need_root();
  for (size_t i = 0; i < COUNT(kinds_of_directory); i++) {
    assert_int_equal(chmod("shared", kinds_of_directory[i]), 0);
    at_each_name("image.part");
    at_each_name("image.part.journal");
    at_each_name(IK_COMMIT_NAME);
  }
}

/* A journal and a part of the very image, by another: neither is believed. */
static void a_part_of_others_is_not_resumed(void **state) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  (void)state;
  need_root();
  assert_int_equal(chmod("shared", 0777), 0);
  for (int which = 0; which < 3; which++) {
    iotkit_job_t *first = image_job(&image), *second = image_job(&image);
    assert_int_equal(iotkit_file_open("shared/image", &options, &file, NULL), 0);
    image_receive(&image, file, first, 0, SIZE, 1000);
    iotkit_file_keep(file, first);
    if (which != 1) assert_int_equal(chown("shared/image.part", others[0], others[0]), 0);
    if (which != 0) assert_int_equal(chown("shared/image.part.journal", others[1], others[1]), 0);
    assert_int_equal(iotkit_file_open("shared/image", &options, &file, NULL), 0);
    assert_int_equal(iotkit_file_resume(file, second, NULL), 0);
    iotkit_file_discard(file);
    iotkit_job_unref(first);
    iotkit_job_unref(second);
  }
}

static void put_note(void) {
  struct ik_commit_file row = {.size = SIZE, .method = image.method, .name = "image"};
  struct ik_buf note;
  memcpy(row.digest, image.digest, sizeof row.digest);
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  assert_int_equal(ik_commit_note_put(&row, 1, &note), 0);
  world_put("shared/" IK_COMMIT_NAME, ik_buf_ptr(&note), ik_buf_size(&note));
  ik_buf_free(&note);
}

/* A note of others renames nothing; nor does a note of ours a part of others. */
static void a_note_of_others_is_not_believed(void **state) {
  (void)state;
  need_root();
  assert_int_equal(chmod("shared", 0777), 0);
  put_note();
  world_put("shared/image.part", image.bytes, SIZE);
  assert_int_equal(chown("shared/" IK_COMMIT_NAME, others[0], others[0]), 0);
  assert_int_equal(iotkit_file_recover("shared", NULL), 0);
  assert_false(world_exists("shared/image"));

  put_note();
  assert_int_equal(chown("shared/" IK_COMMIT_NAME, 0, 0), 0);
  assert_int_equal(chown("shared/image.part", others[1], others[1]), 0);
  assert_int_equal(iotkit_file_recover("shared", NULL), IK_EFILE);
  assert_false(world_exists("shared/image"));

  put_victim();
  put_note();
  assert_int_equal(rename("shared/image.part", "elsewhere"), 0);
  assert_int_equal(symlink("../elsewhere", "shared/image.part"), 0);
  assert_int_equal(iotkit_file_recover("shared", NULL), IK_EFILE);
  assert_false(world_exists("shared/image"));
}

/* In a directory of ours a part may have been given to whom the old file belongs, before a crash. */
static void a_part_that_was_given_away_is_recovered(void **state) {
  struct stat st;
  (void)state;
  need_root();
  put_note();
  world_put("shared/image.part", image.bytes, SIZE);
  assert_int_equal(chown("shared/image.part", others[1], others[1]), 0);
  assert_int_equal(chmod("shared/image.part", 0664), 0);
  assert_int_equal(iotkit_file_recover("shared", NULL), 1);
  assert_int_equal(stat("shared/image", &st), 0);
  assert_int_equal(st.st_uid, others[1]);
}

/* ---- the target ---- */

static void the_target_lends_only_what_it_may(void **state) {
  struct stat st;
  (void)state;
  need_root();
  for (size_t i = 0; i < COUNT(kinds_of_directory); i++) {
    assert_int_equal(chmod("shared", kinds_of_directory[i]), 0);
    for (size_t k = 0; k < COUNT(others); k++) {
      owner = others[k];
      put_foreign("shared/image", 06777);
      assert_int_equal(download("shared/image"), 0);
      assert_image_is_ours("shared/image", 0644);
      assert_int_equal(remove("shared/image"), 0);
    }
    put_victim();
    assert_int_equal(link(VICTIM, "shared/image"), 0);
    assert_int_equal(download("shared/image"), 0);
    assert_image_is_ours("shared/image", 0644);
    assert_victim();
    /* Ours keeps its mode, but not that it runs with our rights. */
    assert_int_equal(chmod("shared/image", 06750), 0);
    assert_int_equal(download("shared/image"), 0);
    assert_image_is_ours("shared/image", 0750);
    assert_int_equal(remove("shared/image"), 0);
  }
  /* Where only we can have put it, it keeps its owner, too. */
  assert_int_equal(chmod("shared", 0755), 0);
  put_foreign("shared/image", 04750);
  assert_int_equal(download("shared/image"), 0);
  image_assert_at(&image, "shared/image");
  assert_int_equal(stat("shared/image", &st), 0);
  assert_int_equal(st.st_uid, owner);
  assert_int_equal(st.st_mode & 07777, 0750);
}

static void links_at_the_target(void **state) {
  struct stat st;
  (void)state;
  need_root();
  assert_int_equal(chmod("shared", 01777), 0);
  assert_int_equal(mkdir("real", 0755), 0);
  put_victim();
  /* Of others: the name gets the image, and what it led to stays. */
  owner = others[0];
  a_link("shared/image");
  assert_int_equal(download("shared/image"), 0);
  assert_image_is_ours("shared/image", 0644);
  assert_victim();
  assert_int_equal(remove("shared/image"), 0);
  /* Ours: written through, and no further than to a link of others. */
  assert_int_equal(symlink("../real/image", "shared/image"), 0);
  a_link("real/image");
  assert_int_equal(download("shared/image"), 0);
  assert_int_equal(lstat("shared/image", &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_image_is_ours("real/image", 0644);
  assert_victim();
}

static void in_place_of_others(void **state) {
  struct iotkit_file_options options = {.in_place = true, .size = 4};
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  need_root();
  put_victim();
  for (size_t i = 0; i < COUNT(kinds_of_directory); i++) {
    assert_int_equal(chmod("shared", kinds_of_directory[i]), 0);
    owner = others[1];
    put_foreign("shared/disk", 0600);
    assert_int_equal(iotkit_file_open("shared/disk", &options, &file, detail), IK_EFILE_ACCESS);
    assert_non_null(strstr(detail, "shared/disk: is another user's file"));
    assert_int_equal(remove("shared/disk"), 0);
    a_link("shared/disk");
    assert_int_equal(iotkit_file_open("shared/disk", &options, &file, detail), IK_EFILE_ACCESS);
    assert_non_null(strstr(detail, "shared/disk: is another user's symbolic link"));
    assert_int_equal(remove("shared/disk"), 0);
    a_hard_link("shared/disk");
    assert_int_equal(iotkit_file_open("shared/disk", &options, &file, detail), IK_EFILE_ACCESS);
    assert_int_equal(remove("shared/disk"), 0);
  }
  assert_victim();
  our_link("shared/disk");
  assert_int_equal(iotkit_file_open("shared/disk", &options, &file, detail), 0);
  iotkit_file_discard(file);
}

/* ---- while it is written ---- */

static int open_the_part(void) {
  int fd = open("shared/image.part", O_RDONLY | O_CLOEXEC);
  return fd < 0 && errno == EACCES ? 0 : 1;
}

/* Who cannot open it cannot lock it either. */
static void nobody_else_reads_the_part(void **state) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  struct stat st;
  (void)state;
  need_root();
  assert_int_equal(chmod("shared", 01777), 0);
  options.mode = 0666;
  mode_t before = umask(0);
  iotkit_job_t *job = image_job(&image);
  for (int turn = 0; turn < 2; turn++) {
    assert_int_equal(iotkit_file_open("shared/image", &options, &file, NULL), 0);
    assert_int_equal(stat("shared/image.part", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat("shared/image.part.journal", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(as(others[turn], open_the_part), 0);
    if (turn == 0) {
      image_receive(&image, file, job, 0, 3000, 1000);
      iotkit_file_keep(file, job);
      /* An older version made parts that all may read. */
      assert_int_equal(chmod("shared/image.part", 0644), 0);
    }
  }
  assert_int_equal(iotkit_file_resume(file, job, NULL), 3000);
  image_receive(&image, file, job, 3000, SIZE, 1000);
  assert_int_equal(iotkit_file_commit(file, SIZE, NULL), 0);
  umask(before);
  assert_image_is_ours("shared/image", 0666);
  iotkit_job_unref(job);
}

/* Whatever is swapped while we open it: only what the descriptor shows counts. */
static void names_that_change_hands(void **state) {
  (void)state;
  need_root();
  assert_int_equal(chmod("shared", 0777), 0);
  put_victim();
  fflush(stdout);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (setresgid(12345, 12345, 12345) != 0 || setresuid(12345, 12345, 12345) != 0) _exit(99);
    for (;;) {
      for (int i = 0; i < 2; i++) {
        const char *name = i ? "shared/image.part.journal" : "shared/image.part";
        (void)unlink("shared/x");
        if (symlink("../" VICTIM, "shared/x") == 0) (void)rename("shared/x", name);
        if (mkfifo("shared/x", 0666) == 0) (void)rename("shared/x", name);
        (void)unlink(name);
      }
    }
  }
  for (int i = 0; i < 500; i++) {
    struct iotkit_file_options options = image_options(&image);
    iotkit_file_t *file;
    if (iotkit_file_open("shared/image", &options, &file, NULL) != 0) continue;
    (void)iotkit_file_write(file, 0, image.bytes, SIZE, NULL);
    (void)iotkit_file_commit(file, SIZE, NULL);
    assert_victim();
  }
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  assert_victim();
}

/* ---- where we are nobody in particular ---- */

static int in_a_sticky_directory(void) {
  struct iotkit_file_options options = image_options(&image);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file, *files[1];
  const uint64_t sizes[] = {0};
  /* We cannot remove these: the first two make it impossible, before the first byte. */
  if (iotkit_file_open("shared/target", &options, &file, detail) != IK_EFILE_ACCESS) return 1;
  if (strstr(detail, "shared/target: is another user's in a sticky directory") == NULL) return 2;
  if (iotkit_file_open("shared/parted", &options, &file, detail) != IK_EFILE_ACCESS) return 3;
  if (strstr(detail, "shared/parted.part") == NULL) return 4;
  /* Without a journal it is not resumed; a note is needed for several files alone. */
  if (iotkit_file_open("shared/noted", &options, &file, detail) != 0) return 5;
  if (file->journal.os != NULL) return 6;
  iotkit_file_discard(file);
  if (iotkit_file_open("shared/set", NULL, &files[0], detail) != 0) return 7;
  if (ik_file_check_set(files, 1, detail) != IK_EFILE_ACCESS) return 8; /* before the first byte */
  if (strstr(detail, IK_COMMIT_NAME ": is another user's") == NULL) return 9;
  if (iotkit_file_commit_all(files, sizes, 1, detail) != IK_EFILE_ACCESS) return 10;
  return world_exists("shared/set") ? 11 : 0;
}

static void what_we_cannot_remove(void **state) {
  (void)state;
  need_root();
  assert_int_equal(chmod("shared", 01777), 0);
  owner = others[0];
  put_foreign("shared/target", 0666);
  put_foreign("shared/parted.part", 0666);
  put_foreign("shared/noted.part.journal", 0666);
  put_note();
  assert_int_equal(chown("shared/" IK_COMMIT_NAME, owner, owner), 0);
  assert_int_equal(as(others[1], in_a_sticky_directory), 0);
}

static void a_directory_in_the_part_s_place(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(mkdir("shared/image.part", 0777), 0);
  assert_int_equal(iotkit_file_open("shared/image", NULL, &file, detail), IK_EFILE);
  assert_non_null(strstr(detail, "shared/image.part: a directory has that name"));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(nothing_of_others_is_used),
      IN_DIRECTORY(a_part_of_others_is_not_resumed),
      IN_DIRECTORY(a_note_of_others_is_not_believed),
      IN_DIRECTORY(a_part_that_was_given_away_is_recovered),
      IN_DIRECTORY(the_target_lends_only_what_it_may),
      IN_DIRECTORY(links_at_the_target),
      IN_DIRECTORY(in_place_of_others),
      IN_DIRECTORY(nobody_else_reads_the_part),
      IN_DIRECTORY(names_that_change_hands),
      IN_DIRECTORY(what_we_cannot_remove),
      IN_DIRECTORY(a_directory_in_the_part_s_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
