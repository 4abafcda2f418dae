// What scripts/build/join-modules.mjs makes of lib/.

/** With a file of their own in dist/: for the `exports` and `bin` of package.json, and what a thread begins with. */
export const entries = [
  'index',
  'sdk/index',
  'testing/index',
  'install/index',
  'cli/index',
  'cli/delta/make-thread',
];

/**
 * What open() and connect() do without until something happens: an upgrade is announced, a configuration or a message
 * comes, the program asks for one, something fails. It is a half of all, and parsed and run only then.
 */
export const later = [
  'config/remote-config',
  'device/attach-options',
  'device/attached-connection',
  'download/reporter',
  'download/run',
  'generated/error-codes',
  'identity/registration',
  'logs/device-logs',
  'messaging/messaging',
  'ota/upgrade',
  'time/platform-time',
];
