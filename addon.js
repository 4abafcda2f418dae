'use strict';

// For tools that copy an addon along with a program (nft, ncc, serverless builders): they know this call by its form and
// replace it by the file it finds. Nobody else needs it, and node-gyp-build does not have to be installed.
exports.load = function load() {
  try {
    return require('node-gyp-build')(__dirname);
  } catch {
    return undefined;
  }
};
