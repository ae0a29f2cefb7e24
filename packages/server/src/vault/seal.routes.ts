import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/seal';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';
import { expose } from './expose.ts';
import type { SealCaller, SealGate } from './seal-gate.ts';

/** What a higher floor decides: who may, and how an entry names him. */
export interface SealAccess<P> {
  allow(
    principal: P,
    action: 'seal.read' | 'seal.unseal' | 'seal.change',
    about?: { narrows: boolean },
  ): Refusal | null;
  attribute(principal: P, ip: string): SealCaller;
}

export function mountSeal<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  { allow, attribute: callerOf }: SealAccess<P>,
  seals: SealGate,
): void {
  mount(app, gate, operations.getSeal, async ({ principal }) => {
    const denied = allow(principal, 'seal.read');
    if (denied !== null) return denied;
    const seal = await seals.show();
    return isRefusal(seal) ? seal : { body: seal };
  });

  mount(app, gate, operations.unseal, async ({ principal, body, ip }) => {
    const denied = allow(principal, 'seal.unseal');
    if (denied !== null) return denied;
    const seal = await seals.unseal(callerOf(principal, ip), body);
    return isRefusal(seal) ? seal : { body: seal };
  });

  mount(app, gate, operations.sealInstallation, async ({ principal, ip, confirm }) => {
    const denied = allow(principal, 'seal.change', { narrows: true }) ?? (await confirm());
    if (denied !== null) return denied;
    const seal = await seals.close(callerOf(principal, ip));
    return isRefusal(seal) ? seal : { body: seal };
  });

  mount(app, gate, operations.confirmSeal, async ({ principal, body, ip, confirm }) => {
    const denied = allow(principal, 'seal.change') ?? (await confirm());
    if (denied !== null) return denied;
    const seal = await seals.confirm(callerOf(principal, ip), body.share, body.nonce);
    return isRefusal(seal) ? seal : { body: seal };
  });

  mount(app, gate, operations.changeSeal, async ({ principal, body, ip, confirm }) => {
    const denied = allow(principal, 'seal.change') ?? (await confirm());
    if (denied !== null) return denied;
    const changed = await seals.change(callerOf(principal, ip), body);
    if (isRefusal(changed)) return changed;
    const { seal, shares } = changed;
    return { body: shares === undefined ? { seal } : { seal, shares: shares.map(expose) } };
  });
}
