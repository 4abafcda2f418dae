/*
 * own.c - files in a directory that others may write to: opening one that is ours alone, what an
 * image takes over of the file it replaces, and which links are followed. No state.
 *
 * Whose a file is, lstat() says before anything is opened, since opening a device may already do
 * something; fstat() says it once more of the descriptor, since the name may have changed hands.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "port/posix/posix.h"

#define TRIES 16
#define LINKS_MAX 16
#define PRIVATE_MODE 0600
#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define OTHERS (S_IRWXG | S_IRWXO)
#define FOR_READING (IK_OSFILE_FINISHED | IK_OSFILE_PRIVATE)
#define RIGHTS 0777 /* without set-user-ID, set-group-ID and the sticky bit */

/* What an attempt has found out; an error is negative. */
enum { OPENED = 0, FOREIGN, ABSENT, MOVED };

/* ---- whose it is ---- */

static bool directory_of(const char *path, struct stat *st) {
  const char *slash = strrchr(path, '/');
  size_t len = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
  char *directory = ik_str_dup((struct ik_str){slash == NULL ? "." : path, len});
  if (directory == NULL) return false;
  int rc;
  IK_RETRY(rc, stat(directory, st));
  free(directory);
  return rc == 0;
}

/* Nobody but us and root can have put anything there. */
static bool is_private(const struct stat *directory) {
  return (directory->st_uid == geteuid() || directory->st_uid == 0) &&
         (directory->st_mode & OTHERS_WRITE) == 0;
}

static bool in_private_directory(const char *path) {
  struct stat directory;
  return directory_of(path, &directory) && is_private(&directory);
}

static bool is_own(const char *path, const struct stat *st, int flags) {
  if (!S_ISREG(st->st_mode) || st->st_nlink > 1) return false;
  if (flags & IK_OSFILE_PRIVATE) return st->st_uid == geteuid() && (st->st_mode & OTHERS) == 0;
  if (flags & IK_OSFILE_FINISHED) return st->st_uid == geteuid() || in_private_directory(path);
  return st->st_uid == geteuid() && (st->st_mode & OTHERS_WRITE) == 0;
}

/* ---- opening it ---- */

static int refuse_held(const char *path, char *detail) {
  return ik_refuse(detail, IK_EFILE_LOCKED, "%s is being written by another process or download",
                   path);
}

/* The descriptor is the caller's if the result is 0, else closed. */
static int lock(const char *path, int fd, char *detail) {
  int rc = ik_posix_lock(fd, path, detail);
  return rc == IK_POSIX_MOVED ? MOVED : rc;
}

static int open_existing(const char *path, int flags, int *fd, char *detail) {
  struct stat st;
  int rc, access = (flags & FOR_READING) ? O_RDONLY : O_RDWR;
  IK_RETRY(rc, lstat(path, &st));
  if (rc != 0) return errno == ENOENT ? ABSENT : ik_posix_file_fail("open", path, errno, detail);
  if (!is_own(path, &st, flags)) return FOREIGN;
  IK_RETRY(*fd, open(path, access | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (*fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO)) return MOVED;
  /* Its mode denies it to its owner. */
  if (*fd < 0 && errno == EACCES && (flags & IK_OSFILE_CREATE)) return FOREIGN;
  if (*fd < 0) return ik_posix_file_fail("open", path, errno, detail);
  if (fstat(*fd, &st) != 0) {
    rc = ik_posix_file_fail("look at", path, errno, detail);
    close(*fd);
    return rc;
  }
  if (!is_own(path, &st, flags)) {
    close(*fd);
    return MOVED;
  }
  rc = lock(path, *fd, detail);
  /* From now on nobody else can open it, and lock it in our stead. FAT has one mode for all. */
  if (rc == OPENED && !(flags & FOR_READING) && (st.st_mode & RIGHTS) != PRIVATE_MODE)
    (void)fchmod(*fd, PRIVATE_MODE);
  return rc;
}

static int make_new(const char *path, int *fd, char *detail) {
  int how = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  IK_RETRY(*fd, open(path, how, PRIVATE_MODE));
  if (*fd < 0 && errno == EEXIST) return MOVED;
  if (*fd < 0) return ik_posix_file_fail("open", path, errno, detail);
  int rc = lock(path, *fd, detail);
  return rc == IK_EFILE_LOCKED ? MOVED : rc; /* by another of ours that found it first */
}

/* Removes the name alone: what a link leads to, and the other names of a file, stay as they are. */
static int set_aside(const char *path, char *detail) {
  struct stat st;
  int rc;
  IK_RETRY(rc, lstat(path, &st));
  if (rc == 0 && S_ISDIR(st.st_mode))
    return ik_refuse(detail, IK_EFILE, "cannot make %s: a directory has that name", path);
  IK_RETRY(rc, unlink(path));
  if (rc != 0 && errno != ENOENT)
    return ik_posix_file_fail("replace what is not ours at", path, errno, detail);
  ik_log(IOTKIT_LOG_WARNING, "%s was not a file of ours alone; it is made anew", path);
  return 0;
}

static int open_own(const char *path, int flags, int *fd, char *detail) {
  bool create = flags & IK_OSFILE_CREATE;
  for (int i = 0; i < TRIES; i++) {
    int rc = open_existing(path, flags, fd, detail);
    if (rc == FOREIGN && create) {
      rc = set_aside(path, detail);
      if (rc < 0) return rc;
      rc = ABSENT;
    }
    if (rc == ABSENT && create) rc = make_new(path, fd, detail);
    if (rc == ABSENT) return IK_EFILE_NOT_FOUND;
    if (rc != MOVED) return rc;
  }
  return refuse_held(path, detail);
}

int ik_osfile_open_own(const char *path, int flags, struct ik_osfile **out, char *detail) {
  int fd = -1;
  *out = NULL;
  int rc = open_own(path, flags, &fd, detail);
  if (rc != OPENED) return rc == FOREIGN ? IK_OSFILE_NOT_OURS : rc;
  return ik_posix_adopt(fd, path, out);
}

/* ---- owner and mode ---- */

static mode_t ask_umask(void) {
  ik_process_lock();
  mode_t mask = umask(077); /* what another thread makes meanwhile is stricter, not laxer */
  umask(mask);
  ik_process_unlock();
  return mask;
}

/* Without setting it, where the system says it: it is the whole process's. */
static mode_t current_umask(void) {
  char text[512];
  char *end;
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[len > 0 ? len : 0] = '\0';
  const char *at = strstr(text, "\nUmask:\t");
  if (at == NULL) return ask_umask();
  unsigned long mask = strtoul(at + strlen("\nUmask:\t"), &end, 8);
  return *end == '\n' ? (mode_t)mask : ask_umask();
}

static int change_mode(struct ik_osfile *file, mode_t mode) {
  int rc;
  IK_RETRY(rc, fchmod(file->fd, mode));
  return rc == 0 ? 0 : ik_posix_file_error(errno);
}

int ik_osfile_set_mode(struct ik_osfile *file, uint32_t mode) {
  return change_mode(file, (mode_t)mode & ~current_umask());
}

void ik_osfile_make_private(struct ik_osfile *file) {
  struct stat st;
  int rc = fstat(file->fd, &st);
  if (rc == 0 && st.st_uid != geteuid()) IK_RETRY(rc, fchown(file->fd, geteuid(), getegid()));
  (void)change_mode(file, PRIVATE_MODE);
}

int ik_osfile_copy_owner(struct ik_osfile *file, const char *from_path) {
  struct stat from, own;
  int rc;
  IK_RETRY(rc, lstat(from_path, &from));
  if (rc != 0) return ik_posix_file_error(errno);
  if (!S_ISREG(from.st_mode)) return IK_EINVALID_ARGUMENT;
  bool ours = from.st_uid == geteuid() && from.st_nlink == 1;
  if (!ours && !in_private_directory(from_path)) return IK_EFILE_ACCESS;
  if (fstat(file->fd, &own) != 0 || own.st_uid != from.st_uid || own.st_gid != from.st_gid) {
    /* Not permitted, as a rule: then it stays ours. */
    IK_RETRY(rc, fchown(file->fd, from.st_uid, from.st_gid));
  }
  return change_mode(file, from.st_mode & RIGHTS);
}

bool ik_osfile_is_like(struct ik_osfile *file, struct ik_osfile *other) {
  struct stat own, wanted;
  if (fstat(file->fd, &own) != 0 || fstat(other->fd, &wanted) != 0) return false;
  return own.st_uid == geteuid() && own.st_uid == wanted.st_uid && own.st_gid == wanted.st_gid &&
         own.st_mode == wanted.st_mode;
}

/* ---- links, and names that no rename can take ---- */

static int join(struct ik_str directory, struct ik_str name, char **out) {
  struct ik_buf text;
  ik_buf_init(&text, IK_PATH_MAX);
  int rc = ik_buf_append(&text, directory.ptr, directory.len);
  if (rc == 0) rc = ik_buf_append(&text, name.ptr, name.len);
  if (rc == 0) {
    *out = ik_str_dup((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)});
    rc = *out != NULL ? 0 : IK_ENO_MEMORY;
  }
  ik_buf_free(&text);
  return rc;
}

/* What the link says, seen from the directory of the link. */
static int read_link(const char *path, char **out, char *detail) {
  char target[IK_PATH_MAX];
  const char *slash = strrchr(path, '/');
  ssize_t len = readlink(path, target, sizeof target);
  if (len < 0) return ik_posix_file_fail("follow", path, errno, detail);
  bool relative = len > 0 && target[0] != '/' && slash != NULL;
  struct ik_str directory = {path, relative ? (size_t)(slash - path) + 1 : 0};
  int rc = len == 0 || (size_t)len == sizeof target
               ? IK_ETOO_LONG
               : join(directory, (struct ik_str){target, (size_t)len}, out);
  return rc == IK_ETOO_LONG ? ik_refuse(detail, rc, "%s: leads too far", path) : rc;
}

/* Of others a link may lead anywhere. */
static bool is_followed(const struct stat *st) {
  return S_ISLNK(st->st_mode) && (st->st_uid == geteuid() || st->st_uid == 0);
}

/* 1: `path` leads to `*next`; 0: it is where the way ends. */
static int follow(const char *path, char **next, char *detail) {
  struct stat st;
  int rc;
  IK_RETRY(rc, lstat(path, &st));
  if (rc != 0 && (errno == ENOENT || errno == ENOTDIR)) return 0; /* opening it says it better */
  if (rc != 0) return ik_posix_file_fail("look at", path, errno, detail);
  if (!is_followed(&st)) return 0;
  rc = read_link(path, next, detail);
  return rc == 0 ? 1 : rc;
}

int ik_path_resolve(const char *path, char **out, char *detail) {
  char *at = ik_str_dup(ik_str(path));
  int rc = at != NULL ? 1 : IK_ENO_MEMORY;
  *out = NULL;
  for (int i = 0; rc == 1 && i < LINKS_MAX; i++) {
    char *next = NULL;
    rc = follow(at, &next, detail);
    if (next == NULL) break;
    free(at);
    at = next;
  }
  if (rc == 0) {
    *out = at;
    return 0;
  }
  free(at);
  if (rc < 0) return rc;
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s: leads through too many symbolic links", path);
}

/* As mountinfo writes a path: blanks, tabs, newlines and backslashes in octal. */
static bool is_same_escaped(const char *escaped, size_t len, const char *path) {
  size_t at = 0;
  for (; at < len && *path != '\0'; path++) {
    char octal[5];
    bool special = strchr(" \t\n\\", *path) != NULL;
    snprintf(octal, sizeof octal, special ? "\\%03o" : "%c", (unsigned char)*path);
    size_t width = strlen(octal);
    if (len - at < width || memcmp(escaped + at, octal, width) != 0) return false;
    at += width;
  }
  return at == len && *path == '\0';
}

/* A mount onto a file leaves its device number alone: only the list of mounts shows it. */
static bool is_mount_point(const char *path) {
  char *line = NULL;
  size_t size = 0;
  bool found = false;
  FILE *mounts = fopen("/proc/self/mountinfo", "re");
  char *whole = mounts != NULL ? realpath(path, NULL) : NULL;
  while (whole != NULL && !found && getline(&line, &size, mounts) > 0) {
    const char *field = line; /* the fifth of them is where it is mounted */
    for (int i = 0; field != NULL && i < 4; i++)
      field = strchr(field, ' ') != NULL ? strchr(field, ' ') + 1 : NULL;
    found = field != NULL && is_same_escaped(field, strcspn(field, " \n"), whole);
  }
  free(line);
  free(whole);
  if (mounts != NULL) fclose(mounts);
  return found;
}

int ik_path_check_replaceable(const char *path, char *detail) {
  struct stat st, directory;
  int rc;
  IK_RETRY(rc, lstat(path, &st));
  if (rc != 0 || !directory_of(path, &directory)) return 0;
  uid_t us = geteuid();
  if ((directory.st_mode & S_ISVTX) && us != 0 && st.st_uid != us && directory.st_uid != us) {
    return ik_refuse(detail, IK_EFILE_ACCESS,
                     "%s: is another user's in a sticky directory, and cannot be replaced", path);
  }
  if (!is_mount_point(path)) return 0;
  return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                   "%s: is a mount point, which no other file can replace", path);
}

int ik_path_check_in_place(const char *path, char *detail) {
  struct stat st;
  int rc;
  IK_RETRY(rc, lstat(path, &st));
  if (rc != 0 || !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))) return 0;
  bool ours = S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1;
  if (ours || (S_ISREG(st.st_mode) && in_private_directory(path))) return 0;
  return ik_refuse(detail, IK_EFILE_ACCESS, "%s: is another user's %s, which is not written to",
                   path, S_ISLNK(st.st_mode) ? "symbolic link" : "file");
}
