/**
 * This room is for the tests of programs: `iotkit-ota/testing`. A real Device over a connection and
 * images that are in memory. It may import every room but sdk.
 */
export type { FakeNotice } from './fake-job';
export {
  type FakeConfigAnswer,
  type FakeMessage,
  FakePlatform,
  type FakePlatformOptions,
  type FakeStep,
  type FakeTaskState,
  type FakeVersion,
} from './fake-platform';
