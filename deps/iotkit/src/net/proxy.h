/*
 * proxy.h - which HTTP proxy a URL is reached through: the options' or the environment's.
 */
#ifndef IK_NET_PROXY_H
#define IK_NET_PROXY_H

#include "net/transport.h"

/*
 * "[http://][user[:password]@]host[:port][/]": user and password %-decoded, port 80 where none is
 * written (curl takes 1080 there). IK_EURL: malformed; IK_EUNSUPPORTED: a proxy of another kind;
 * IK_ETOO_LONG. `detail` never has any of the credentials.
 */
int ik_proxy_parse(struct ik_str url, struct ik_proxy *out, char *detail);

/* Copies of what was set; without proxies when all is zero. */
struct ik_proxies {
  char *urls[2];          /* for http and for https; NULL: none. Owned; may hold secrets */
  const char *sources[2]; /* what they are called in a detail: "HTTPS_PROXY", "the proxy"; static */
  char *no_proxy;         /* owned; NULL: none */
  const char *no_proxy_source; /* static */
};

/*
 * `proxy` is for http and for https URLs, `https_proxy` (NULL: `proxy`) for https ones alone; ""
 * means none. Both NULL: those of the environment, as curl reads it: http_proxy; https_proxy,
 * HTTPS_PROXY; else all_proxy, ALL_PROXY (HTTP_PROXY never: to a CGI program it is a request's
 * field). `no_proxy` NULL: the environment's. Each may be one of these variables as "NAME=value",
 * from a program that has read the environment itself. What is wrong with options is reported
 * here, what is wrong with variables by ik_proxies_choose(), by name, for whom it concerns; blanks
 * around their values and a path after host and port are not looked at. Errors as of
 * ik_proxy_parse(), and IK_ENO_MEMORY; on failure nothing is owned.
 */
int ik_proxies_init(struct ik_proxies *out, const char *proxy, const char *https_proxy,
                    const char *no_proxy, char *detail);
void ik_proxies_free(struct ik_proxies *proxies);
/*
 * How to reach a host (as in a URL, without brackets): 1: through *out, 0: straight, or an error of
 * ik_proxy_parse(). Any number of threads.
 */
int ik_proxies_choose(const struct ik_proxies *proxies, bool https, const char *host, uint16_t port,
                      struct ik_proxy *out, char *detail);

#endif
