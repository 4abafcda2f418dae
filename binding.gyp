# The shipping build of the addon. Its flags are in native/flags.json, where `iotkit-ota build` reads them too: why each is
# there stands here.
#   -fno-asynchronous-unwind-tables, -fno-unwind-tables: nothing unwinds these frames.
#   -Wl,--exclude-libs,ALL and the version script: what the static libraries define stays inside; no symbol of ours or of
#     libstdc++ meets the runtime's.
#   -Wl,-z,noseparate-code: constants share a segment with the code, as on other processors: two pages less.
#   -Wl,-z,nodelete: a thread that still resolves a name may outlive dlclose(): its code must stay where it is.
#   _FILE_OFFSET_BITS=64: files of more than 2 GiB on 32 bits too, whichever headers of Node.js are at hand.
#   IOTKIT_API=: the addon exports none of the public functions, which it makes visible in a library of their own.
#   -Os: a seventh smaller than -O2; the time goes into OpenSSL and the kernel.
# OpenSSL is not linked and not configured here: src/port/openssl finds it at run time.
{
  'target_defaults': {
    'default_configuration': 'Release',
    'cflags': ["<!@(node -p \"require('./native/flags.json').compile.join(' ')\")"],
    # Node's own build file asks for it; nobody profiles the shipped addon by it.
    'cflags!': ['-fno-omit-frame-pointer'],
    'cflags_c': ["<!@(node -p \"require('./native/flags.json').c.join(' ')\")"],
    'cflags_cc': ["<!@(node -p \"require('./native/flags.json').cc.join(' ')\")"],
    'configurations': {
      'Release': {
        'defines': ['NDEBUG'],
        'cflags!': ['-O3', '-g'],
      },
    },
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'GCC_C_LANGUAGE_STANDARD': 'c11',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'NO',
      'GCC_ENABLE_CPP_RTTI': 'NO',
      'GCC_OPTIMIZATION_LEVEL': '2',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
    },
  },
  'targets': [
    {
      # A target of its own, so that native/ cannot see src/.
      'target_name': 'iotkit',
      'type': 'static_library',
      'sources': ["<!@(node -p \"JSON.stringify(require('./sources.json').iotkit).match(/[^\\x22]+\\.c(?=\\x22)/g).join(' ')\")"],
      'defines': ["<!@(node -p \"require('./native/flags.json').sdkDefines.join(' ')\")"],
      'include_dirs': ['deps/iotkit/include', 'deps/iotkit/src'],
      'direct_dependent_settings': {'include_dirs': ['deps/iotkit/include']},
      'configurations': {'Release': {'cflags!': ['-O3'], 'cflags': ["<!@(node -p \"require('./native/flags.json').release.join(' ')\")"]}},
    },
    {
      'target_name': 'iotkit_ota',
      'dependencies': ['iotkit'],
      'sources': ["<!@(node -p \"require('./sources.json').native.join(' ')\")"],
      'include_dirs': ['native', "<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ["<!@(node -p \"require('./native/flags.json').nativeDefines.join(' ')\")"],
      # Small before fast: the shim hands things over, the work is done in the target above.
      'configurations': {'Release': {'cflags!': ['-O3'], 'cflags': ["<!@(node -p \"require('./native/flags.json').release.join(' ')\")"]}},
      'conditions': [
        ['OS=="linux"', {
          'libraries': ['-ldl'],
          'ldflags': [
            '-Wl,--version-script=<(module_root_dir)/native/addon.map',
            "<!@(node -p \"require('./native/flags.json').linkLinux.join(' ')\")",
          ],
          'configurations': {'Release': {'ldflags': ["<!@(node -p \"require('./native/flags.json').linkLinuxRelease.join(' ')\")"]}},
        }],
        ['OS=="mac"', {
          'xcode_settings': {'OTHER_LDFLAGS': ['-Wl,-dead_strip']},
        }],
      ],
    },
  ],
}
