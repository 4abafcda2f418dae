/*
 * What is made of a resolver's answer, which is this program's own here: families in turn, too many
 * addresses, none, and its errors.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/tcp_peer.h"

#define ANSWERS_MAX 64

/* '4', '6': an address; 'u': one of a family that nobody knows; '-': one without an address. */
static const char *answers;
static int failure; /* EAI_*, 0: none */
static int system_error;

static struct addrinfo list[ANSWERS_MAX];
static struct sockaddr_storage addresses[ANSWERS_MAX];

/* The n-th address ends with the byte n. */
static void fill(struct addrinfo *info, struct sockaddr_storage *address, char kind, uint8_t n) {
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  *info = (struct addrinfo){.ai_addr = (struct sockaddr *)address};
  memset(address, 0, sizeof *address);
  address->ss_family = kind == '4' ? AF_INET : kind == '6' ? AF_INET6 : AF_UNIX;
  if (kind == '4') four->sin_addr.s_addr = htonl(0x0a000000u + n);
  if (kind == '6') six->sin6_addr.s6_addr[15] = n;
  if (kind == '-') info->ai_addr = NULL;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
  (void)name, (void)service, (void)hints;
  errno = system_error;
  if (failure != 0) return failure;
  size_t count = strlen(answers);
  for (size_t i = 0; i < count; i++) {
    fill(&list[i], &addresses[i], answers[i], (uint8_t)i);
    if (i > 0) list[i - 1].ai_next = &list[i];
  }
  *out = count > 0 ? list : NULL;
  return 0;
}

void freeaddrinfo(struct addrinfo *info) {
  assert_true(info == list || info == NULL);
}

/* Writes which addresses came, as "4:0 6:1 …"; returns how many, or the error. */
static int look_up(const char *given, char *text, size_t cap, char *detail) {
  struct ik_address out[IK_ADDRESSES_MAX];
  struct ik_lookup *lookup;
  size_t len = 0;
  answers = given;
  assert_int_equal(ik_lookup_start("many.example", 7, &lookup), 0);
  struct ik_pollfd fd = {.fd = ik_lookup_fd(lookup), .interest = IOTKIT_READ};
  assert_int_equal(ik_port_poll(&fd, 1, TEST_LIMIT_MS), 1);
  int count = ik_lookup_result(lookup, out, IK_ADDRESSES_MAX, detail);
  text[0] = '\0';
  for (int i = 0; i < count; i++) {
    assert_int_equal(out[i].port, 7);
    int last = out[i].bytes[out[i].family == 4 ? 3 : 15];
    len +=
        (size_t)snprintf(text + len, cap - len, "%s%d:%d", i > 0 ? " " : "", out[i].family, last);
  }
  ik_lookup_free(lookup);
  return count;
}

/* A dead family costs one head start only; the system's favourite is first. */
static void families_take_turns(void **state) {
  static const struct {
    const char *answers, *want;
  } cases[] = {
      {"4466", "4:0 6:2 4:1 6:3"},
      {"6644", "6:0 4:2 6:1 4:3"},
      {"4446", "4:0 6:3 4:1 4:2"},
      {"666", "6:0 6:1 6:2"},
      {"u4-6u", "4:1 6:3"},
      {"4444444444444444444444", "4:0 4:1 4:2 4:3 4:4 4:5 4:6 4:7 4:8 4:9 4:10 4:11 4:12 4:13 4:14 "
                                 "4:15"},
      {"44444444444444446666", "4:0 6:16 4:1 6:17 4:2 6:18 4:3 6:19 4:4 4:5 4:6 4:7 4:8 4:9 4:10 "
                               "4:11"},
  };
  char text[256];
  (void)state;
  for (size_t i = 0; i < COUNT(cases); i++) {
    assert_in_range(look_up(cases[i].answers, text, sizeof text, NULL), 1, IK_ADDRESSES_MAX);
    assert_string_equal(text, cases[i].want);
  }
}

/* Beyond 32 the resolver's answer is not read: 16 of those are handed out. */
static void a_flood_is_cut(void **state) {
  char many[ANSWERS_MAX], text[256];
  (void)state;
  memset(many, '4', sizeof many - 1);
  many[sizeof many - 1] = '\0';
  many[40] = '6';
  assert_int_equal(look_up(many, text, sizeof text, NULL), IK_ADDRESSES_MAX);
  assert_null(strstr(text, "6:40"));
}

static void a_name_without_an_address(void **state) {
  static const char *const none[] = {"", "u", "--"};
  char text[64], detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(none); i++) {
    detail[0] = '\0';
    assert_int_equal(look_up(none[i], text, sizeof text, detail), IK_ERESOLVE);
    assert_string_equal(detail, "many.example: it has no address");
  }
}

static void errors_have_their_code_and_reason(void **state) {
  char text[64], detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  failure = EAI_MEMORY;
  assert_int_equal(look_up("4", text, sizeof text, detail), IK_ENO_MEMORY);
  failure = EAI_SYSTEM;
  system_error = EMFILE;
  assert_int_equal(look_up("4", text, sizeof text, detail), IK_ERESOLVE);
  assert_string_equal(detail, "many.example: Too many open files");
  failure = EAI_AGAIN;
  assert_int_equal(look_up("4", text, sizeof text, detail), IK_ERESOLVE);
  assert_non_null(strstr(detail, gai_strerror(EAI_AGAIN)));
  failure = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(families_take_turns),
      cmocka_unit_test(a_flood_is_cut),
      cmocka_unit_test(a_name_without_an_address),
      cmocka_unit_test(errors_have_their_code_and_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
