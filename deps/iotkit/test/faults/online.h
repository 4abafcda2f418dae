/*
 * online.h - what a device does over sockets, as scenarios: a fetch, a client that subscribes and
 * publishes, the same on a loop, a channel with its upgrade, one
 * over functions of the program's, a program of the published API. Servers
 * and brokers are the test's.
 */
#ifndef TEST_FAULTS_ONLINE_H
#define TEST_FAULTS_ONLINE_H

#include <stdint.h>

#include "faults/trial.h"

/* Once for the program: the firmware server. */
void online_begin(void);
void online_end(void);

/*
 * Prepare and run of each; run returns 0 when all was done, or the error that it ended with. What a
 * device does over and over (connect, ask) it does here until it is done or an error is final.
 */
void online_prepare_fetch(void);
int online_fetch(char *detail);
void online_prepare_broker(void);
int online_client(char *detail);
int online_loop(char *detail);
int online_channel(char *detail);
int online_over(char *detail);
int online_published(char *detail);
/* Ends what prepare began. */
void online_tidy(void);
/* After a run with a fault: the same once more without one, which has to do all. */
void online_check_again(int (*run)(char *detail));

#endif
