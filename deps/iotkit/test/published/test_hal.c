/* HAL_*: what a program written for the published SDK calls. */
#include "iot_import.h"
#include "support/cm.h"

#define C32 "0123456789abcdef0123456789abcdef"

/* This program brings its own, and they count. */
static int started;
static char partition[16];
static uint32_t written;

int HAL_GetFirmwareVersion(char *version) {
  return HAL_Snprintf(version, FIRMWARE_VERSION_MAXLEN, "app-1.2.3");
}

void HAL_Firmware_Persistence_Start(void) {
  started++;
}

int HAL_Firmware_Persistence_Write(char *buffer, uint32_t length) {
  if (length > sizeof partition - written) return -1;
  memcpy(partition + written, buffer, length);
  written += length;
  return 0;
}

/* Made of its neighbour, which must not be made of this one. */
int HAL_Vsnprintf(char *str, const int len, const char *fmt, va_list ap) {
  char own[32];
  const int printed = vsnprintf(own, sizeof own, fmt, ap);
  return printed < 0 ? printed : HAL_Snprintf(str, len, "%s", own);
}

static void weak_functions(void **state) {
  char text[PID_STRLEN_MAX + 1] = "x";
  char data[] = "firmware";
  (void)state;
  assert_int_equal(HAL_GetFirmwareVersion(text), 9);
  assert_string_equal(text, "app-1.2.3");
  HAL_Firmware_Persistence_Start();
  assert_int_equal(started, 1);
  assert_int_equal(HAL_Firmware_Persistence_Write(data, 8), 0);
  assert_memory_equal(partition, "firmware", 8);
  assert_int_equal(HAL_Firmware_Persistence_Stop(), -1); /* not brought: kept nowhere */
  assert_int_equal(HAL_GetPartnerID(text), 0);
  assert_string_equal(text, "");
  assert_int_equal(HAL_GetModuleID(text), 0);
  assert_int_equal(HAL_GetModuleID(NULL), -1);
}

static void memory(void **state) {
  uint8_t *block = HAL_Calloc(10, 100);
  (void)state;
  assert_non_null(block);
  for (size_t i = 0; i < 1000; i++)
    assert_int_equal(block[i], 0);
  block[999] = 7;
  block = HAL_Realloc(block, 100000);
  assert_non_null(block);
  assert_int_equal(block[999], 7);
  HAL_Free(block);
  block = HAL_Malloc(1);
  assert_non_null(block);
  HAL_Free(block);
  HAL_Free(NULL);
}

static int print_list(char *out, int len, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  const int printed = HAL_Vsnprintf(out, len, fmt, args);
  va_end(args);
  return printed;
}

static void text_is_cut_and_terminated(void **state) {
  char out[8];
  (void)state;
  memset(out, 'x', sizeof out);
  assert_int_equal(HAL_Snprintf(out, 4, "%d", 123456), 6);
  assert_string_equal(out, "123");
  assert_int_equal(out[4], 'x');
  assert_int_equal(HAL_Snprintf(out, 0, "%d", 7), 1);
  assert_int_equal(HAL_Snprintf(out, -5, "%d", 7), 1);
  assert_string_equal(out, "123");
  assert_int_equal(print_list(out, 4, "%d", 654321), 6);
  assert_string_equal(out, "654");
  HAL_Printf("%s %d\n", "printed by HAL_Printf", 1);
}

static void identity(void **state) {
  char text[DEVICE_SECRET_MAXLEN];
  (void)state;
  assert_int_equal(HAL_GetProductKey(text), 0);
  assert_string_equal(text, "");
  assert_int_equal(HAL_SetProductKey((char *)"a1OracleKey"), 11);
  assert_int_equal(HAL_SetDeviceName((char *)C32), 32);
  assert_int_equal(HAL_SetDeviceSecret((char *)C32 C32), 64);
  assert_int_equal(HAL_SetProductSecret((char *)"ps"), 2);
  assert_int_equal(HAL_GetProductKey(text), 11);
  assert_string_equal(text, "a1OracleKey");
  assert_int_equal(HAL_GetDeviceName(text), 32);
  assert_string_equal(text, C32);
  assert_int_equal(HAL_GetDeviceSecret(text), 64);
  assert_string_equal(text, C32 C32);
  assert_int_equal(HAL_GetProductSecret(text), 2);
  assert_string_equal(text, "ps");
  /* Refused ones change nothing. */
  assert_int_equal(HAL_SetProductKey((char *)"012345678901234567890"), -1);
  assert_int_equal(HAL_SetDeviceName((char *)C32 "x"), -1);
  assert_int_equal(HAL_SetDeviceSecret((char *)C32 C32 "x"), -1);
  assert_int_equal(HAL_SetProductSecret(NULL), -1);
  assert_int_equal(HAL_GetProductKey(text), 11);
  assert_int_equal(HAL_GetDeviceSecret(text), 64);
  assert_int_equal(HAL_GetDeviceSecret(NULL), -1);
  /* A shorter one leaves nothing of the longer. */
  assert_int_equal(HAL_SetDeviceSecret((char *)"short"), 5);
  assert_int_equal(HAL_GetDeviceSecret(text), 5);
  assert_string_equal(text, "short");
}

static void *set_and_get(void *arg) {
  char mine[DEVICE_NAME_MAXLEN], got[DEVICE_NAME_MAXLEN];
  int *bad = arg;
  memset(mine, 'A' + (int)HAL_Random(26), sizeof mine - 1);
  mine[sizeof mine - 1] = '\0';
  for (int i = 0; i < 2000; i++) {
    HAL_SetDeviceName(mine);
    if (HAL_GetDeviceName(got) != DEVICE_NAME_LEN) ++*bad;
    for (size_t c = 1; c < DEVICE_NAME_LEN; c++)
      *bad += got[c] != got[0]; /* never half of one, half of another */
  }
  return NULL;
}

static void identity_from_any_thread(void **state) {
  void *threads[4];
  int bad[4] = {0};
  (void)state;
  for (size_t i = 0; i < COUNT(threads); i++) {
    assert_int_equal(HAL_ThreadCreate(&threads[i], set_and_get, &bad[i], NULL, NULL), 0);
  }
  for (size_t i = 0; i < COUNT(threads); i++) {
    HAL_ThreadDelete(threads[i]);
    assert_int_equal(bad[i], 0);
  }
}

static void random_stays_in_its_region(void **state) {
  unsigned counts[10] = {0};
  (void)state;
  HAL_Srandom(1);
  assert_int_equal(HAL_Random(0), 0);
  assert_int_equal(HAL_Random(1), 0);
  for (int i = 0; i < 20000; i++) {
    uint32_t value = HAL_Random(10);
    assert_in_range(value, 0, 9);
    counts[value]++;
  }
  /* 2,000 each; 350 is 8 standard deviations. */
  for (size_t i = 0; i < COUNT(counts); i++)
    assert_in_range(counts[i], 1650, 2350);
  /* Three quarters of the 32 bits: taken modulo, the lowest third would come half of the time. */
  unsigned low = 0;
  for (int i = 0; i < 3000; i++) {
    low += HAL_Random(UINT32_C(3) << 30) < UINT32_C(1) << 30;
  }
  assert_in_range(low, 800, 1200);
  for (int i = 0; i < 1000; i++)
    assert_true(HAL_Random(UINT32_MAX) < UINT32_MAX);
}

static void time_passes(void **state) {
  uint64_t before = HAL_UptimeMs();
  (void)state;
  HAL_SleepMs(5);
  assert_true(HAL_UptimeMs() - before >= 5);
}

static void semaphore_counts(void **state) {
  void *sem = HAL_SemaphoreCreate();
  uint64_t before;
  (void)state;
  assert_non_null(sem);
  assert_int_equal(HAL_SemaphoreWait(sem, 0), -1);
  HAL_SemaphorePost(sem);
  HAL_SemaphorePost(sem);
  assert_int_equal(HAL_SemaphoreWait(sem, 0), 0);
  assert_int_equal(HAL_SemaphoreWait(sem, PLATFORM_WAIT_INFINITE), 0);
  before = HAL_UptimeMs();
  assert_int_equal(HAL_SemaphoreWait(sem, 10), -1);
  assert_true(HAL_UptimeMs() - before >= 10);
  HAL_SemaphoreDestroy(sem);
  HAL_SemaphoreDestroy(NULL);
  HAL_SemaphorePost(NULL);
  assert_int_equal(HAL_SemaphoreWait(NULL, 0), -1);
}

struct table {
  void *mutex, *ping, *pong;
  int hits;
  void *own_handle;
};

static void *play(void *arg) {
  struct table *table = arg;
  for (int i = 0; i < 1000; i++) {
    if (HAL_SemaphoreWait(table->ping, PLATFORM_WAIT_INFINITE) != 0) break;
    HAL_MutexLock(table->mutex);
    table->hits++;
    HAL_MutexUnlock(table->mutex);
    HAL_SemaphorePost(table->pong);
  }
  return NULL;
}

static void new_table(struct table *table) {
  *table = (struct table){HAL_MutexCreate(), HAL_SemaphoreCreate(), HAL_SemaphoreCreate(), 0, NULL};
  assert_true(table->mutex && table->ping && table->pong);
}

static void free_table(struct table *table) {
  HAL_MutexDestroy(table->mutex);
  HAL_SemaphoreDestroy(table->ping);
  HAL_SemaphoreDestroy(table->pong);
}

static void threads_hand_over(void **state) {
  hal_os_thread_param_t params = {.stack_size = 65536, .name = (char *)"a name longer than fits"};
  struct table table;
  void *thread;
  int stack_used = -1;
  (void)state;
  new_table(&table);
  assert_int_equal(HAL_ThreadCreate(&thread, play, &table, &params, &stack_used), 0);
  assert_int_equal(stack_used, 0);
  for (int i = 0; i < 1000; i++) {
    HAL_SemaphorePost(table.ping);
    assert_int_equal(HAL_SemaphoreWait(table.pong, PLATFORM_WAIT_INFINITE), 0);
    HAL_MutexLock(table.mutex);
    assert_int_equal(table.hits, i + 1);
    HAL_MutexUnlock(table.mutex);
  }
  HAL_ThreadDelete(thread); /* waits until it has returned: the table may go */
  free_table(&table);
  HAL_MutexLock(NULL);
  HAL_MutexUnlock(NULL);
  HAL_MutexDestroy(NULL);
}

static void *delete_oneself(void *arg) {
  struct table *table = arg;
  HAL_SemaphoreWait(table->ping, PLATFORM_WAIT_INFINITE);
  HAL_ThreadDelete(NULL);
  HAL_ThreadDelete(table->own_handle);
  HAL_SemaphorePost(table->pong);
  return NULL;
}

static void handles_are_given_back_in_any_way(void **state) {
  hal_os_thread_param_t detached = {.detach_state = 1};
  struct table table;
  void *thread;
  (void)state;
  new_table(&table);
  /* by the thread itself */
  assert_int_equal(HAL_ThreadCreate(&table.own_handle, delete_oneself, &table, NULL, NULL), 0);
  HAL_SemaphorePost(table.ping);
  assert_int_equal(HAL_SemaphoreWait(table.pong, PLATFORM_WAIT_INFINITE), 0);
  /* detached while it runs, and from the start */
  table.own_handle = NULL;
  assert_int_equal(HAL_ThreadCreate(&thread, delete_oneself, &table, NULL, NULL), 0);
  HAL_ThreadDetach(thread);
  HAL_SemaphorePost(table.ping);
  assert_int_equal(HAL_SemaphoreWait(table.pong, PLATFORM_WAIT_INFINITE), 0);
  assert_int_equal(HAL_ThreadCreate(&thread, delete_oneself, &table, &detached, NULL), 0);
  assert_null(thread);
  HAL_ThreadDetach(thread);
  HAL_SemaphorePost(table.ping);
  assert_int_equal(HAL_SemaphoreWait(table.pong, PLATFORM_WAIT_INFINITE), 0);
  free_table(&table);
  assert_int_equal(HAL_ThreadCreate(NULL, play, NULL, NULL, NULL), -1);
  assert_int_equal(HAL_ThreadCreate(&thread, NULL, NULL, NULL, NULL), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weak_functions),
      cmocka_unit_test(memory),
      cmocka_unit_test(text_is_cut_and_terminated),
      cmocka_unit_test(identity),
      cmocka_unit_test(identity_from_any_thread),
      cmocka_unit_test(random_stays_in_its_region),
      cmocka_unit_test(time_passes),
      cmocka_unit_test(semaphore_counts),
      cmocka_unit_test(threads_hand_over),
      cmocka_unit_test(handles_are_given_back_in_any_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
