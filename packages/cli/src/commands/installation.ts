import type { Installation } from '@keyhold/protocol/operations/installation';
import * as operations from '@keyhold/protocol/operations/installation';
import { apiCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';

const INSTALLATION: readonly Field<Installation>[] = [
  ['id', ({ id }) => id],
  ['version', ({ version }) => version],
  ['epoch', ({ epoch }) => epoch],
  ['sequence', ({ sequence }) => sequence],
  ['hash', ({ hash }) => hash],
  ['verifiers', ({ verifiers }) => verifiers.length],
  ['alarms', ({ alarms }) => alarms.length],
];

const VERIFIER: readonly Field<Installation['verifiers'][number]>[] = [
  ['verifier', ({ id }) => id],
  ['connected', ({ connected }) => (connected ? 'yes' : 'no')],
  ['applied', ({ acknowledged }) => acknowledged],
  ['leases', ({ leases }) => leases],
  ['fenced', ({ fenced }) => (fenced ? 'yes' : 'no')],
];

const ALARM: readonly Field<Installation['alarms'][number]>[] = [
  ['alarm', ({ code }) => code],
  ['at', ({ at }) => time(at)],
  ['subject', ({ subject }) => subject],
  ['detail', ({ detail }) => detail],
];

const ACCEPTED: readonly Field<{ readonly sequence: number; readonly acceptedEpoch: number }>[] = [
  ['sequence', ({ sequence }) => sequence],
  ['accepted epoch', ({ acceptedEpoch }) => acceptedEpoch],
];

/** `installation` */
export const INSTALLATION_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['installation', 'get'],
    operation: operations.getInstallation,
    call: (client) => client.installation.get,
    show: (installation) => [
      ...renderDetails(INSTALLATION, installation),
      ...(installation.verifiers.length === 0 ? [] : ['', ...renderTable(VERIFIER, installation.verifiers)]),
      ...(installation.alarms.length === 0 ? [] : ['', ...renderTable(ALARM, installation.alarms)]),
    ],
  }),
  apiCommand({
    words: ['installation', 'accept-restore'],
    operation: operations.acceptRestore,
    call: (client) => client.installation.acceptRestore,
    show: (accepted) => renderDetails(ACCEPTED, accepted),
  }),
];
