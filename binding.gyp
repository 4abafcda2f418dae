# The shipping build of the addon: node-gyp, prebuildify, installation from source.
# OpenSSL is not linked and not configured here: src/port/openssl finds it at run time.
{
  'target_defaults': {
    'default_configuration': 'Release',
    'cflags': [
      '-fPIC',
      '-fvisibility=hidden',
      '-ffunction-sections',
      '-fdata-sections',
      # Nothing unwinds these frames.
      '-fno-asynchronous-unwind-tables',
      '-fno-unwind-tables',
      '-Wall',
      '-Wextra',
    ],
    # Node's own build file asks for it; nobody profiles the shipped addon by it.
    'cflags!': ['-fno-omit-frame-pointer'],
    'cflags_c': ['-std=c11'],
    'cflags_cc': ['-std=c++17', '-fno-exceptions', '-fno-rtti'],
    'configurations': {
      'Release': {
        'defines': ['NDEBUG'],
        'cflags!': ['-O3', '-g'],
        'cflags': ['-O2'],
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
      'defines': ['_GNU_SOURCE='],
      'include_dirs': ['deps/iotkit/include', 'deps/iotkit/src'],
      'direct_dependent_settings': {'include_dirs': ['deps/iotkit/include']},
      # A seventh smaller than -O2; the time goes into OpenSSL and the kernel.
      'configurations': {'Release': {'cflags!': ['-O2', '-O3'], 'cflags': ['-Os']}},
    },
    {
      'target_name': 'iotkit_ota',
      'dependencies': ['iotkit'],
      'sources': ["<!@(node -p \"require('./sources.json').native.join(' ')\")"],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
                  'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      # Small before fast: the shim hands things over, the work is done in the target above.
      'configurations': {'Release': {'cflags!': ['-O2', '-O3'], 'cflags': ['-Os']}},
      'conditions': [
        ['OS=="linux"', {
          'libraries': ['-ldl'],
          'ldflags': [
            '-static-libstdc++',
            '-static-libgcc',
            # What the static libraries define stays inside: no symbol of ours or of libstdc++ meets the runtime's.
            '-Wl,--exclude-libs,ALL',
            '-Wl,--version-script=<(module_root_dir)/native/addon.map',
            '-Wl,--gc-sections',
            '-Wl,--as-needed',
            '-Wl,-z,relro,-z,now',
            # Constants share a segment with the code, as on other processors: two pages less.
            '-Wl,-z,noseparate-code',
            # A thread that still resolves a name may outlive dlclose(): its code must stay where it is.
            '-Wl,-z,nodelete',
          ],
          'configurations': {'Release': {'ldflags': ['-Wl,-s']}},
        }],
        ['OS=="mac"', {
          'xcode_settings': {'OTHER_LDFLAGS': ['-Wl,-dead_strip']},
        }],
      ],
    },
  ],
}
