import { isRefusal } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Caller } from '../../access/change-context.ts';
import { resumeKey, revokeKey, suspendKey } from '../../keys/change-key-state.ts';
import { issueKey } from '../../keys/issue-key.ts';
import { findPlacedKey } from '../../keys/keys.store.ts';
import { bearerCredential } from '../../keys/new-credential.ts';
import { rotateKey } from '../../keys/rotate-key.ts';
import { updateKey } from '../../keys/update-key.ts';
import { findEnvironment, findProject } from '../../projects/projects.store.ts';
import { expose } from '../../vault/expose.ts';
import type { Secret } from '../../vault/secret.ts';
import type { ControlMachine } from './control-machine.ts';
import type { Dice } from './dice.ts';
import { NO_POLICIES } from '../../access/judge.ts';
import type { Ability, Oracle } from './oracle.ts';

/** A key that the operator issued. */
export interface IssuedKey {
  readonly id: string;
  readonly environment: string;
  secret: string;
  suspended: boolean;
  /** Null: a change of it was never answered. */
  narrowed: boolean | null;
  revoked: boolean;
  /** One change of a key at a time; two at once would leave nobody knowing what must be so. */
  busy: boolean;
}

export const CALLER: Caller = {
  principal: {
    id: 'operator',
    kind: 'service',
    judge: NO_POLICIES,
    grants: [{ opener: 'admin', projects: null, environment: null, expiresAt: null }],
  },
  ip: '127.0.0.1',
  idempotency: undefined,
};

const BOTH: readonly Ability[] = ['prices:read', 'orders:write'];

/** Makes changes through the shipped use cases, and tells the oracle what it was told. */
export class Operator {
  readonly keys: IssuedKey[] = [];
  changes = 0;
  readonly #dice: Dice;
  readonly #oracle: Oracle;

  constructor(dice: Dice, oracle: Oracle) {
    this.#dice = dice;
    this.#oracle = oracle;
  }

  /** Makes one change of a kind that the dice choose. Whatever fails or is never answered stays unknown. */
  async change(control: ControlMachine, consumer: string): Promise<void> {
    this.changes++;
    const free = this.keys.filter(({ busy }) => !busy);
    const key = free.length === 0 || (this.keys.length < 8 && this.#dice.chance(0.3)) ? null : this.#dice.pick(free);
    if (key === null) return await this.#issue(control, consumer);
    key.busy = true;
    try {
      await this.#changeKey(control, key);
    } catch {
      for (const ability of BOTH) this.#oracle.set(key.secret, ability, 'unknown');
    } finally {
      key.busy = false;
    }
  }

  async #issue(control: ControlMachine, consumer: string): Promise<void> {
    const environment = this.#dice.pick(['alpha', 'beta']);
    const db = control.store.reader;
    const project = await findProject(db, 'market');
    const row = project === undefined ? undefined : await findEnvironment(db, project.id, environment);
    if (project === undefined || row === undefined) throw new Error('the world was not set up');
    const input = { consumer, name: 'key', permissions: BOTH };
    const place = { project, environment: row };
    const prepared = this.#bearer(control, { project_id: project.id, environment_id: row.id, prefix: row.prefix });
    const issued = await issueKey(control.context, CALLER, place, input, prepared).catch(() => null);
    if (issued === null || isRefusal(issued) || !control.alive) return;
    const secret = expose(issued.value.secret as Secret);
    const { id } = issued.value.key;
    this.keys.push({ id, environment, secret, suspended: false, narrowed: false, revoked: false, busy: false });
    for (const ability of BOTH) this.#oracle.set(secret, ability, 'alive');
  }

  #bearer({ context }: ControlMachine, place: Parameters<typeof bearerCredential>[1]) {
    return { credential: bearerCredential(context.random, place, context.clock.wall()), way: undefined };
  }

  async #changeKey(control: ControlMachine, key: IssuedKey): Promise<void> {
    const roll = this.#dice.next();
    if (key.revoked || roll < 0.25) return await this.#revoke(control, key);
    if (roll < 0.4) return await this.#rotate(control, key);
    if (key.suspended || roll < 0.7)
      return await (key.suspended ? this.#resume(control, key) : this.#suspend(control, key));
    return await this.#narrowOrWiden(control, key);
  }

  /** From before a taking-away starts until it has returned, nobody knows. */
  #doubt(key: IssuedKey, abilities: readonly Ability[] = BOTH): void {
    for (const ability of abilities) {
      if (!this.#isDead(key, ability)) this.#oracle.set(key.secret, ability, 'unknown');
    }
  }

  #isDead(key: IssuedKey, ability: Ability): boolean {
    return this.#oracle.get(key.secret, ability).startsWith('dead');
  }

  #taken(key: IssuedKey, abilities: readonly Ability[], barrier: Barrier): void {
    for (const ability of abilities) {
      const truth = barrier.unconfirmed > 0 ? 'deadUnlessStale' : 'dead';
      if (this.#oracle.get(key.secret, ability) !== 'dead') this.#oracle.set(key.secret, ability, truth);
    }
  }

  /** What a resumption or a rotation may bring back to life. */
  #revivable(key: IssuedKey): readonly Ability[] {
    return key.narrowed === true ? ['prices:read'] : BOTH;
  }

  #revived(key: IssuedKey): void {
    this.#oracle.set(key.secret, 'prices:read', 'alive');
    if (key.narrowed !== true)
      this.#oracle.set(key.secret, 'orders:write', key.narrowed === null ? 'unknown' : 'alive');
  }

  async #placed(control: ControlMachine, key: IssuedKey) {
    const placed = await findPlacedKey(control.store.reader, key.id);
    if (placed === undefined) throw new Error(`${key.id} was issued and is not there`);
    return placed;
  }

  async #revoke(control: ControlMachine, key: IssuedKey): Promise<void> {
    this.#doubt(key);
    key.revoked = true;
    const placed = await this.#placed(control, key);
    const revoke = () => revokeKey(control.context, CALLER, placed, 'key_compromise');
    // Some press the button twice; what the second call answers has to be true as well.
    const [first, second] = [revoke(), this.#dice.chance(0.3) ? revoke() : null];
    if (second !== null) first.catch(() => {});
    const revoked = await (second ?? first);
    if (isRefusal(revoked) || !control.alive) throw new Error('not answered');
    this.#taken(key, BOTH, revoked.barrier);
  }

  async #suspend(control: ControlMachine, key: IssuedKey): Promise<void> {
    this.#doubt(key);
    key.suspended = true;
    const suspended = await suspendKey(control.context, CALLER, await this.#placed(control, key));
    if (isRefusal(suspended) || !control.alive) throw new Error('not answered');
    this.#taken(key, BOTH, suspended.barrier);
  }

  async #resume(control: ControlMachine, key: IssuedKey): Promise<void> {
    for (const ability of this.#revivable(key)) this.#oracle.set(key.secret, ability, 'unknown');
    const resumed = await resumeKey(control.context, CALLER, await this.#placed(control, key));
    if (isRefusal(resumed) || !control.alive) throw new Error('not answered');
    key.suspended = false;
    this.#revived(key);
  }

  /** Without overlap: the old credential is dead when this returns. */
  async #rotate(control: ControlMachine, key: IssuedKey): Promise<void> {
    this.#doubt(key);
    const placed = await this.#placed(control, key);
    const prepared = this.#bearer(control, { ...placed, prefix: placed.environment_prefix });
    const rotated = await rotateKey(control.context, CALLER, placed, 0, prepared);
    if (isRefusal(rotated) || rotated.barrier === undefined || !control.alive) throw new Error('not answered');
    this.#taken(key, BOTH, rotated.barrier);
    key.secret = expose(rotated.value.secret as Secret);
    if (key.suspended) return;
    this.#revived(key);
  }

  async #narrowOrWiden(control: ControlMachine, key: IssuedKey): Promise<void> {
    const narrow = key.narrowed !== true;
    if (narrow) this.#doubt(key, ['orders:write']);
    else this.#oracle.set(key.secret, 'orders:write', 'unknown');
    key.narrowed = null;
    const permissions = narrow ? ['prices:read'] : BOTH;
    const updated = await updateKey(
      control.context,
      CALLER,
      await this.#placed(control, key),
      { permissions },
      {
        widens: true,
        loosens: true,
      },
    );
    if (isRefusal(updated) || !control.alive) throw new Error('not answered');
    key.narrowed = narrow;
    if (narrow && updated.barrier === undefined) throw new Error('a narrowing without barrier');
    if (narrow && updated.barrier !== undefined) this.#taken(key, ['orders:write'], updated.barrier);
    else this.#oracle.set(key.secret, 'orders:write', 'alive');
  }
}
