// The machines that a release has an addon for. A file is named as node-gyp-build and lib/addon look for it:
// prebuilds/<platform>-<arch>/<name>.<libc or ARM version>.node.

const linux = (arch, triple, more) => ({
  folder: `linux-${arch}`,
  triple,
  format: 'elf',
  maxBytes: 424 * 1024,
  cpu: [],
  ...more,
});

// What glibc promises; musl has no versions of its symbols.
const glibc = (arch, triple, more) =>
  linux(arch, `${triple}.2.17`, { file: 'iotkit-ota.glibc.node', floor: '2.17', ...more });
const musl = (arch, triple) => linux(arch, triple, { file: 'iotkit-ota.musl.node' });
const darwin = (arch, triple, machO) => ({
  folder: `darwin-${arch}`,
  machO,
  file: 'iotkit-ota.node',
  triple,
  format: 'mach-o',
  maxBytes: 464 * 1024, // up to 16 KiB of nothing at the end of each segment
  cpu: [],
});

/** By the name that `npm run prebuild -- <name>` takes. */
export const targets = {
  'linux-x64': glibc('x64', 'x86_64-linux-gnu'),
  'linux-arm64': glibc('arm64', 'aarch64-linux-gnu'),
  // Thumb-2 is a third smaller. No NEON and 16 double registers: any ARMv7 that has a floating-point unit.
  'linux-armv7': glibc('arm', 'arm-linux-gnueabihf', {
    file: 'iotkit-ota.armv7.glibc.node',
    cpu: ['-mcpu=generic+v7a+thumb_mode-neon-d32'],
    systemCpu: ['-mcpu=generic+v7a-neon-d32'], // zig's own parts have inline code that is not Thumb's
  }),
  'linux-x64-musl': musl('x64', 'x86_64-linux-musl'),
  'linux-arm64-musl': musl('arm64', 'aarch64-linux-musl'),
  'darwin-arm64': darwin('arm64', 'aarch64-macos.11.0', 'arm64'),
  'darwin-x64': darwin('x64', 'x86_64-macos.11.0', 'x86_64'),
};

/** Where the addon of a target lies in the repository and in the package. */
export const pathOf = ({ folder, file }) => `prebuilds/${folder}/${file}`;

/** The sha256 of each addon that the release of this version ships, as `sha256sum --check` reads it in prebuilds/. */
export const SUMS = 'prebuilds/SHA256SUMS';
