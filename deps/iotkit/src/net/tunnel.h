/*
 * tunnel.h - asks an HTTP proxy for a tunnel (CONNECT, RFC 9110 section 9.3.6).
 *
 * Thread: one at a time. Belongs to its stream, which frees it as soon as the tunnel is open.
 */
#ifndef IK_NET_TUNNEL_H
#define IK_NET_TUNNEL_H

#include "net/proxy.h"

struct ik_tunnel;

/* To host:port, as a URL has them; copies. IK_EINVALID_ARGUMENT, IK_ENO_MEMORY. */
int ik_tunnel_new(const char *host, uint16_t port, const struct ik_proxy *proxy,
                  struct ik_tunnel **out, char *detail);
/* NULL is allowed. */
void ik_tunnel_free(struct ik_tunnel *tunnel);
/*
 * Sends and reads on the connected descriptor. 0: what is sent from here on goes to host:port;
 * IK_EAGAIN; IK_EPROXY_REFUSED: the proxy will not, or not with these credentials; IK_EPROXY: it
 * cannot now, or is no HTTP proxy; IK_ENO_MEMORY. `detail` names the proxy and its answer.
 */
int ik_tunnel_step(struct ik_tunnel *tunnel, int fd, char *detail);
/* What the last IK_EAGAIN waits for. */
int ik_tunnel_interest(const struct ik_tunnel *tunnel);

/* ---- for step, and for tests ---- */

/* What is still to be sent; has the credentials. */
struct ik_str ik_tunnel_request(const struct ik_tunnel *tunnel);
/*
 * Takes in bytes of the answer. 0: the tunnel is open, IK_EAGAIN: there must be more, else as step.
 * The result does not depend on how the bytes are split, except that nothing may follow an answer
 * that opens the tunnel.
 */
int ik_tunnel_push(struct ik_tunnel *tunnel, const uint8_t *data, size_t len, char *detail);

#endif
