/*
 * web_run.h - what the tests of jobs in memory share: an image of 200 kB whose every byte is known, a
 * server that gives it (fake_web.h), a job that fetches it.
 */
#ifndef TEST_WEB_RUN_H
#define TEST_WEB_RUN_H

#include "support/fake_web.h"

#define WEB_RUN_SIZE 200000u
#define WEB_RUN_HALF (WEB_RUN_SIZE / 2)

extern uint8_t web_image[WEB_RUN_SIZE];
extern uint8_t web_got[WEB_RUN_SIZE]; /* where tests put what they fetch */

/* A cmocka setup. */
int web_run_image(void **state);
struct fake_web web_run_of(fake_answer_fn answer);
/* Waits of a millisecond or two, three retries, no proxy. */
struct iotkit_fetch_options web_run_options(void);
/* A job that dials the web; empties `web_got`. */
iotkit_job_t *web_run_start(struct fake_web *web, const struct iotkit_fetch_options *options);
/* The image is in `web_got` and is right. */
void web_run_assert_right(iotkit_job_t *job);
/* A server function: always the whole image. */
void web_run_ignore_ranges(struct fake_web *web, const struct fake_request *request,
                           struct fake_answer *answer);

#endif
