import { filterMatches } from '../../src/protocol/topic-rules';
import { MESSAGE_FILTERS, parseUpstream } from '../../src/protocol/topics';

const key = { productKey: 'pk', deviceName: 'dn' };

test.each([
  ['/sys/pk/dn/thing/sub/register', 'register'],
  ['/sys/pk/dn/thing/proxy/provisioning/product_register', 'register-by-product'],
  ['/sys/pk/dn/thing/topo/add', 'topology-add'],
  ['/sys/pk/dn/thing/topo/delete', 'topology-delete'],
  ['/sys/pk/dn/thing/topo/get', 'topology-get'],
  ['/sys/pk/dn/thing/list/found', 'found'],
  ['/sys/pk/dn/thing/topo/add/notify_reply', 'proposal-reply'],
  ['/sys/pk/dn/thing/disable_reply', 'switch-reply'],
  ['/ext/session/pk/dn/combine/login', 'login'],
  ['/ext/session/pk/dn/combine/batch_login', 'batch-login'],
  ['/ext/session/pk/dn/combine/logout', 'logout'],
  ['/ext/session/pk/dn/combine/batch_logout', 'batch-logout'],
])('%s is %s, and subscribed to on other brokers', (topic, kind) => {
  expect(parseUpstream(topic)).toEqual({ kind, key });
  expect(MESSAGE_FILTERS.filter((filter) => filterMatches(filter, topic))).toHaveLength(1);
});

test.each([
  '/ext/session/pk/dn/combine/login_reply',
  '/ext/session/pk/+/combine/login',
  '/ext/session/pk/combine/login',
  '/sys/pk/dn/thing/topo/add_reply',
])('%s is nothing that a gateway sends', (topic) => {
  expect(parseUpstream(topic)).toBeUndefined();
});
