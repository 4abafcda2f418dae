// Tested by platform/test/cli.test.ts

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { RegisteredAuthority } from '../index';
import { invalid, messageOf } from './errors';
import { connect } from './find-server';
import { type CommonOptions, withServer } from './flags';
import { print, table } from './output';

interface Listed {
  readonly registrationCode: string;
  readonly authorities: readonly RegisteredAuthority[];
}

/** `authority …` */
export function addAuthority(program: Command): void {
  const command = program.command('authority').description('CAs of your own, for X.509 devices');
  const code = 'print the common name that a verification certificate has to have';
  withServer(command.command('code').description(code)).action(authorityCode);
  withServer(
    command
      .command('register <certificate> <verification>')
      .description('register a CA: its certificate, and one that it has signed to prove its key'),
  ).action(authorityRegister);
  withServer(command.command('list').description('list the registered CAs')).action(authorityList);
  withServer(
    command.command('remove <id>').description('refuse the certificates under a CA from now on'),
  ).action(authorityRemove);
}

async function authorityCode(options: CommonOptions): Promise<void> {
  const { registrationCode } = await (await connect(options)).get<Listed>('/authorities');
  print(options, { registrationCode }, () => `${registrationCode}\n`);
}

async function authorityRegister(
  certificate: string,
  verification: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const body = {
    certificate: await readPem(certificate),
    verification: await readPem(verification),
  };
  const registered = await client.post<RegisteredAuthority>('/authorities', body);
  print(options, registered, () => authorityTable([registered]));
}

async function authorityList(options: CommonOptions): Promise<void> {
  const { authorities } = await (await connect(options)).get<Listed>('/authorities');
  print(options, authorities, () => authorityTable(authorities));
}

async function authorityRemove(id: string, options: CommonOptions): Promise<void> {
  await (await connect(options)).delete(`/authorities/${encodeURIComponent(id)}`);
}

/** The text of a file that the user names. */
export async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

function authorityTable(authorities: readonly RegisteredAuthority[]): string {
  return table([
    ['ID', 'SUBJECT', 'UNTIL'],
    ...authorities.map(({ id, subject, notAfter }) => [
      id,
      subject.replaceAll('\n', ', '),
      new Date(notAfter).toISOString().slice(0, 10),
    ]),
  ]);
}
