import { isRefusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/installation';
import type { FastifyInstance } from 'fastify';
import { attribution } from '../access/change-context.ts';
import { allowOnInstallation } from '../access/locate.ts';
import type { FeedHub } from '../feed/feed-hub.ts';
import type { LeaseBook } from '../feed/lease-book.ts';
import { mount } from '../http/mount.ts';
import type { Alarms } from '../ledger/alarms.ts';
import type { Routes } from '../projects/projects.routes.ts';
import { VERSION } from '../version.ts';

export interface InstallationRoutes extends Routes {
  readonly hub: FeedHub;
  readonly book: LeaseBook;
  readonly alarms: Alarms;
}

export function mountInstallation(
  app: FastifyInstance,
  { gate, context, hub, book, alarms }: InstallationRoutes,
): void {
  mount(app, gate, operations.getInstallation, async ({ principal }) => {
    const denied = allowOnInstallation(principal, 'installation.read');
    if (denied !== null) return denied;
    const { installation, epoch, sequence, hash } = context.ledger.head;
    const now = context.clock.monotonic();
    const verifiers = [...book.holders()].map(({ verifier, connections, acknowledged, fenced, leases }) => ({
      id: verifier,
      connected: connections > 0,
      acknowledged: Math.max(0, acknowledged),
      leases: [...leases.values()].filter(({ endsAt }) => endsAt > now).length,
      fenced,
    }));
    const raised = alarms.list().map(({ code, subject, atMs, detail }) => ({
      code,
      subject,
      at: new Date(atMs).toISOString(),
      detail,
    }));
    return { body: { id: installation, version: VERSION, epoch, sequence, hash, verifiers, alarms: raised } };
  });

  mount(app, gate, operations.acceptRestore, async ({ principal, ip, idempotency, confirm }) => {
    const denied = allowOnInstallation(principal, 'installation.accept-restore') ?? (await confirm());
    if (denied !== null) return denied;
    const epoch = hub.epochToAccept();
    if (epoch === null) return refuse('NOTHING_TO_ACCEPT', 'Every verifier follows this ledger.');
    const recorded = await context.ledger.record(
      {
        ...attribution({ principal, ip, idempotency }),
        action: 'restore.accepted',
        subject: context.ledger.head.installation,
        code: `epoch-${epoch}`,
        evenWithoutChange: true,
        acceptsEpoch: epoch,
      },
      async () => epoch,
    );
    if (isRefusal(recorded)) return recorded;
    hub.accepted(epoch);
    const { sequence } = recorded;
    return { body: { sequence, acceptedEpoch: epoch }, sequence };
  });
}
