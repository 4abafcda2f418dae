/*
 * save.c - firmware updates with the extension API: MQTT runs on a thread of its own, and one call
 * resumes, fetches, verifies and installs what is announced, one image or several files.
 *
 *   sign in → report the version that runs → wait for what is announced, again or for the first time
 *   → iotkit_job_save(), progress told on the way
 *   → (the restart) → report the new version
 *
 * Stopped in the middle, by Ctrl-C or a power cut, the next run goes on where this one was.
 */
#define _POSIX_C_SOURCE 200809L /* sigwait, clock_gettime */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "iotkit.h"

#define WAIT_S 60
#define CA_MAX (1024 * 1024)

enum { EXIT_UPDATED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_UPGRADE = 3 };

struct arguments {
  const char *host;
  long port;
  const char *ca_file; /* "-": plain TCP */
  const char *product_key;
  const char *device_name;
  const char *device_secret;
  const char *version; /* that runs now */
  const char *target;  /* of several files the directory */
};

/* What the main thread and the MQTT thread share. */
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  iotkit_job_t *job;    /* the newest announced one; NULL: none */
  iotkit_job_t *saving; /* the one that is being saved; NULL: none */
  bool connected;
  bool announced;    /* there is a job */
  bool acknowledged; /* the version that was reported last */
  bool closed;       /* the client has ended */
  bool stopped;      /* by a signal */
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int usage(void) {
  fputs(
      "usage: save HOST PORT CA_FILE PRODUCT_KEY DEVICE_NAME DEVICE_SECRET VERSION TARGET\n"
      "  Reports VERSION, waits for an upgrade, saves it as TARGET, and reports the new version.\n"
      "  CA_FILE: certificates (PEM) to trust; \"-\" connects without TLS.\n"
      "  TARGET: the image's file; the directory where an upgrade has several files.\n"
      "exit codes: 0 updated, 1 failed, 2 wrong usage, 3 no upgrade was announced within 60 s\n",
      stderr);
  return EXIT_USAGE;
}

static int failed(const char *what, int error, const char *detail) {
  fprintf(stderr, "save: %s: %s: %s\n", what, iotkit_error_name(error),
          detail[0] != '\0' ? detail : iotkit_strerror(error));
  return EXIT_FAILED;
}

/* ---- on the MQTT thread ---- */

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  (void)ctx, (void)client;
  pthread_mutex_lock(&shared.mutex);
  if (event->type == IOTKIT_MQTT_EVENT_PUBLISHED && event->error == 0) shared.acknowledged = true;
  if (event->type == IOTKIT_MQTT_EVENT_STATE) {
    shared.connected = event->state == IOTKIT_MQTT_CONNECTED;
    shared.closed = event->state == IOTKIT_MQTT_CLOSED;
  }
  pthread_cond_broadcast(&shared.changed);
  pthread_mutex_unlock(&shared.mutex);
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->error != 0)
    fprintf(stderr, "save: MQTT: %s\n", event->detail);
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  (void)ctx, (void)ota;
  pthread_mutex_lock(&shared.mutex);
  iotkit_job_unref(shared.job);
  shared.job = job;
  shared.announced = true;
  pthread_cond_broadcast(&shared.changed);
  pthread_mutex_unlock(&shared.mutex);
}

static void on_refused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                       const char *request_id) {
  (void)ctx, (void)ota, (void)request_id;
  fprintf(stderr, "save: a notice was refused: %s: %s\n", iotkit_error_name(error), detail);
}

static void run_loop(void *loop) {
  iotkit_loop_run(loop);
}

/* ---- on the thread that waits for signals ---- */

static void run_signals(void *arg) {
  int number;
  sigwait(arg, &number);
  pthread_mutex_lock(&shared.mutex);
  shared.stopped = true;
  if (shared.saving != NULL) iotkit_job_abort(shared.saving);
  pthread_cond_broadcast(&shared.changed);
  pthread_mutex_unlock(&shared.mutex);
}

/* ---- on the main thread ---- */

/* What a signal ends; it may have come before. */
static void set_saving(iotkit_job_t *job) {
  pthread_mutex_lock(&shared.mutex);
  shared.saving = job;
  if (job != NULL && shared.stopped) iotkit_job_abort(job);
  pthread_mutex_unlock(&shared.mutex);
}

struct progress {
  iotkit_ota_t *ota;
  const char *module;
  int told; /* percent */
};

static void on_progress(void *ctx, uint64_t received, uint64_t size) {
  struct progress *progress = ctx;
  int percent = size > 0 ? (int)(received * 100 / size) : 0;
  if (percent < progress->told + 5 && received < size) return;
  progress->told = percent;
  printf("%d %%\n", percent);
  /* 100 is for when it is verified and in its place. */
  iotkit_ota_report_progress(progress->ota, percent < 100 ? percent : 99, NULL, progress->module);
}

/* What the platform is told of a failure: -4 writing, -3 verification, -2 download. */
static int step_of(int error) {
  switch (error) {
  case IK_EFILE:
  case IK_ENO_SPACE:
  case IK_EFILE_ACCESS:
  case IK_EFILE_NOT_FOUND:
  case IK_EFILE_LOCKED:
    return -4;
  case IK_EDIGEST_MISMATCH:
  case IK_ESIZE_MISMATCH:
  case IK_ESIGNATURE:
  case IK_ESIGNATURE_MISSING:
    return -3;
  default:
    return -2;
  }
}

static int save(iotkit_job_t *job, iotkit_ota_t *ota, const char *target) {
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(job);
  struct progress progress = {ota, upgrade->module, -5};
  struct iotkit_save_options options = {.on_progress = on_progress, .ctx = &progress};
  char detail[IOTKIT_DETAIL_MAX] = "";
  printf("upgrade to %s, %llu bytes, %zu files\n", upgrade->version,
         (unsigned long long)upgrade->size, upgrade->file_count);
  set_saving(job);
  int rc = iotkit_job_save(job, target, &options, detail);
  set_saving(NULL);
  if (rc == IK_EABORTED) {
    puts("stopped; the next run goes on from here");
    return EXIT_FAILED;
  }
  if (rc < 0) {
    iotkit_ota_report_progress(ota, step_of(rc), detail, upgrade->module);
    return failed("the upgrade", rc, detail);
  }
  iotkit_ota_report_progress(ota, 100, NULL, upgrade->module);
  puts("saved");
  return EXIT_UPDATED;
}

/* Waits until `*what`; false: it has not come in time, or a signal has. */
static bool await(const bool *what) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += WAIT_S;
  pthread_mutex_lock(&shared.mutex);
  while (!*what && !shared.closed && !shared.stopped &&
         pthread_cond_timedwait(&shared.changed, &shared.mutex, &end) == 0) {}
  const bool came = *what;
  pthread_mutex_unlock(&shared.mutex);
  return came;
}

/* The announced job, for the caller to unref. */
static iotkit_job_t *take_job(void) {
  pthread_mutex_lock(&shared.mutex);
  iotkit_job_t *job = shared.job;
  shared.job = NULL;
  shared.announced = false;
  pthread_mutex_unlock(&shared.mutex);
  return job;
}

/* Reports a version and waits until the broker has it. */
static int report(iotkit_ota_t *ota, const char *version) {
  pthread_mutex_lock(&shared.mutex);
  shared.acknowledged = false;
  pthread_mutex_unlock(&shared.mutex);
  int rc = iotkit_ota_report_version(ota, version, NULL);
  if (rc >= 0 && !await(&shared.acknowledged)) rc = IK_ETIMEOUT;
  if (rc < 0) return failed("reporting the version", rc, "");
  printf("version %s reported\n", version);
  return 0;
}

/*
 * The version that runs is reported at each start. To the platform the old one says no more than that
 * the device has started: an upgrade that a stopped run has begun goes on, and is announced again.
 */
static int find_job(const struct arguments *args, iotkit_ota_t *ota, iotkit_job_t **job) {
  *job = NULL;
  if (!await(&shared.connected)) return failed("connecting", IK_ETIMEOUT, "");
  int rc = report(ota, args->version);
  if (rc != 0) return rc;
  if (await(&shared.announced)) *job = take_job();
  if (*job != NULL) return 0;
  fputs("save: no upgrade was announced\n", stderr);
  return EXIT_NO_UPGRADE;
}

static int update(const struct arguments *args, iotkit_ota_t *ota) {
  iotkit_job_t *job;
  int rc = find_job(args, ota, &job);
  if (rc != 0) return rc;
  rc = save(job, ota, args->target);
  if (rc == 0) rc = report(ota, iotkit_job_upgrade(job)->version); /* after the restart, in truth */
  iotkit_job_unref(job);
  return rc;
}

/* ---- set-up ---- */

/* Trusts the certificates of a file alone. */
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

static int make_client(const struct arguments *args, iotkit_tls_t *tls, iotkit_mqtt_t **out,
                       char *detail) {
  const struct iotkit_sign_options device = {.product_key = args->product_key,
                                             .device_name = args->device_name,
                                             .device_secret = args->device_secret,
                                             .tls = tls != NULL};
  struct iotkit_sign_in sign_in;
  int rc = iotkit_sign(&device, &sign_in, detail);
  if (rc < 0) return rc;
  const struct iotkit_mqtt_options options = {.host = args->host,
                                              .port = (uint16_t)args->port,
                                              .tls = tls,
                                              .client_id = sign_in.client_id,
                                              .username = sign_in.username,
                                              .password = sign_in.password,
                                              .on_event = on_event};
  return iotkit_mqtt_new(&options, out, detail);
}

static int make_channel(const struct arguments *args, iotkit_tls_t *tls, iotkit_mqtt_t *client,
                        iotkit_ota_t **out, char *detail) {
  const struct iotkit_ota_options options = {.product_key = args->product_key,
                                             .device_name = args->device_name,
                                             .fetch = {.tls = tls},
                                             .on_upgrade = on_upgrade,
                                             .on_refused = on_refused};
  return iotkit_ota_new(client, &options, out, detail);
}

/* Says goodbye: what is queued is sent first. */
static void close_client(iotkit_mqtt_t *client) {
  iotkit_mqtt_stop(client);
  pthread_mutex_lock(&shared.mutex);
  while (!shared.closed)
    pthread_cond_wait(&shared.changed, &shared.mutex);
  pthread_mutex_unlock(&shared.mutex);
}

static int run(const struct arguments *args, iotkit_loop_t *loop, iotkit_mqtt_t *client,
               iotkit_ota_t *ota) {
  iotkit_thread_t *mqtt = NULL;
  iotkit_thread_t *signals = NULL;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  iotkit_mqtt_start(client);
  int rc = iotkit_loop_add(loop, client);
  if (rc == 0) rc = iotkit_thread_start(&signals, "signals", 0, run_signals, &set);
  if (rc == 0) rc = iotkit_thread_start(&mqtt, "mqtt", 0, run_loop, loop);
  if (rc == 0) {
    rc = update(args, ota);
    close_client(client);
    iotkit_loop_stop(loop);
    iotkit_thread_join(mqtt);
  } else {
    rc = failed("starting", rc, "");
  }
  if (signals != NULL) {
    kill(getpid(), SIGTERM); /* ends its wait */
    iotkit_thread_join(signals);
  }
  return rc;
}

int main(int argc, char **argv) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  iotkit_loop_t *loop = NULL;
  iotkit_mqtt_t *client = NULL;
  iotkit_ota_t *ota = NULL;
  setvbuf(stdout, NULL, _IOLBF, 0); /* so that a pipe sees the progress, too */
  if (argc != 9) return usage();
  const struct arguments args = {.host = argv[1],
                                 .port = strtol(argv[2], NULL, 10),
                                 .ca_file = argv[3],
                                 .product_key = argv[4],
                                 .device_name = argv[5],
                                 .device_secret = argv[6],
                                 .version = argv[7],
                                 .target = argv[8]};
  if (args.port < 1 || args.port > UINT16_MAX) return usage();
  /* Where TARGET is a directory: the last run may have ended between two of the final names. */
  int rc = iotkit_file_recover(args.target, detail);
  if (rc >= 0) rc = strcmp(args.ca_file, "-") != 0 ? make_tls(args.ca_file, &tls, detail) : 0;
  if (rc == 0) rc = iotkit_loop_new(&loop);
  if (rc == 0) rc = make_client(&args, tls, &client, detail);
  if (rc == 0) rc = make_channel(&args, tls, client, &ota, detail);
  rc = rc < 0 ? failed("starting", rc, detail) : run(&args, loop, client, ota);
  iotkit_ota_free(ota);
  if (loop != NULL && client != NULL) iotkit_loop_remove(loop, client);
  iotkit_loop_free(loop);
  iotkit_mqtt_free(client);
  iotkit_tls_unref(tls);
  iotkit_job_unref(shared.job);
  return rc;
}
