import type { Scenario } from '../support/scenario';
import { configs } from './config';
import { connection } from './connection';
import { http } from './http';
import { notices } from './notices';
import { signIn } from './sign-in';
import { everyState } from './states';
import { upgrades } from './upgrades';

export const scenarios: readonly Scenario[] = [
  ...upgrades,
  ...everyState,
  ...notices,
  ...http,
  ...connection,
  ...configs,
  signIn,
];
