import { EnvelopeBroken, type WrappingKey, keyFrom } from '@keyhold/verifier/open-envelope';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Seal, SealKind } from '@keyhold/protocol/operations/seal';
import type { SealRow } from '../database/schema.ts';
import type { Attributed } from '../ledger/entry.ts';
import { isOwnOrFree, settleKeyFile } from './file-seal.ts';
import { ownKeyAt, removeFormerFiles, withFormerFiles } from './former-key-file.ts';
import type { Unsealed } from './keyring.ts';
import { type SealPlace, viewToken } from './pkcs11-seal.ts';
import { countStaleKeys } from './rewrap.store.ts';
import { parametersOf, reopenRootKey, unwrapRootKey, wrapRootKey } from './root-key.ts';
import { type FileParameters, SEAL_NEEDS, type SealParameters, type ShamirParameters } from './seal.ts';
import {
  keyOfSeal,
  type MadeSeal,
  makeSeal,
  needs,
  type SealChange,
  type SealMeans,
  type UnsealInput,
  usingFile,
} from './seal-key.ts';
import { readSeal } from './seals.store.ts';
import { combineShares, readNewShare } from './shamir-seal.ts';
import type { Secret } from './secret.ts';
import type { SecretBytes } from './secret-bytes.ts';
import type { Share } from './share.ts';
import { SEALED, type Vault } from './vault.ts';

/** Who acts on the seal, as entries say it. */
export type SealCaller = Attributed;

/** The seal after a change; the shares of a new one, to be shown once. */
type Changed = { readonly seal: Seal; readonly shares?: readonly Secret[] };

/** A change to shares that waits for them: until enough came back, nobody is known to have them. */
interface PendingChange {
  readonly parameters: ShamirParameters;
  readonly keyBytes: SecretBytes;
  readonly nonce: string;
  readonly given: Share[];
}

/** Kinds whose key is known to be the right one before it is tried: what doesn't open then was written by others. */
const RECOGNISED: ReadonlySet<SealKind> = new Set(['file', 'shamir', 'pkcs11']);

/**
 * Opens, closes and changes the seal. Every attempt is an entry.
 * INVARIANT: one call at a time. Of two changes at once one would write its key file over the other's before either is
 * committed, and a change would open again what was closed while it was on its way.
 */
export class SealGate {
  readonly #vault: Vault;
  readonly #means: SealMeans;
  readonly #opened: () => void;
  readonly #left: (error: unknown) => void;
  #nonce = newNonce();
  #given: Share[] = [];
  #pending: PendingChange | null = null;

  /**
   * @param opened told when the seal was opened
   * @param left told why a key file of a seal before is still there
   */
  constructor(vault: Vault, means: SealMeans, opened: () => void, left: (error: unknown) => void) {
    this.#vault = vault;
    this.#means = means;
    this.#opened = opened;
    this.#left = left;
  }

  async show(): Promise<Seal | Refusal> {
    const seal = await this.#seal();
    return isRefusal(seal) ? seal : await this.#view(seal);
  }

  /** At the start: where a seal's PIN lies in a file, it opens by itself. Why not, or null where there was nothing to try. */
  async openByItself(): Promise<Seal | Refusal | null> {
    const seal = await this.#seal();
    if (isRefusal(seal) || !this.#vault.keyring.sealed) return null;
    const parameters = parametersOf(seal);
    if (parameters.kind !== 'pkcs11' || parameters.pinFile === null) return null;
    return await this.unseal({ actor: 'system' }, { unwatched: true });
  }

  /** At the start: removes the key file of the seal before where a kill left it. */
  removeFormerFiles(): Promise<void> {
    return this.#vault.sealTurns.take(() => this.#removeFormerFiles({ actor: 'system' }));
  }

  /** A file that can't be removed now hinders nothing: what the seal says of it stays until it is gone. */
  async #removeFormerFiles(caller: SealCaller): Promise<void> {
    await removeFormerFiles(this.#vault, caller).catch(this.#left);
  }

  /** One try, or one share of a try. */
  unseal(caller: SealCaller, input: UnsealInput): Promise<Seal | Refusal> {
    return this.#vault.sealTurns.take(() => this.#unseal(caller, input));
  }

  /** The entry first, then the keys go. */
  close(caller: SealCaller): Promise<Seal | Refusal> {
    return this.#vault.sealTurns.take(() => this.#close(caller));
  }

  /**
   * Wraps the same root key under a new seal. Until the entry is committed the old seal counts, then only the new.
   * A change to shares only begins: it counts once {@link confirm} was given enough of them, so that an answer that was
   * lost leaves the old seal and not one that nobody can open.
   */
  async change(caller: SealCaller, change: SealChange): Promise<Changed | Refusal> {
    // INVARIANT: before its turn: an HSM that does not answer would hold up who closes the seal, or rotates the root key.
    const made = change.kind === 'pkcs11' ? await this.#makeInHsm(caller, change) : null;
    if (isRefusal(made)) return made;
    try {
      return await this.#vault.sealTurns.take(() => this.#change(caller, change, made));
    } finally {
      made?.keyBytes.wipe();
    }
  }

  /** One share of a change that began. */
  confirm(caller: SealCaller, text: string, nonce: string): Promise<Seal | Refusal> {
    return this.#vault.sealTurns.take(() => this.#confirm(caller, text, nonce));
  }

  async #unseal(caller: SealCaller, input: UnsealInput): Promise<Seal | Refusal> {
    const seal = await this.#seal();
    if (isRefusal(seal)) return seal;
    if (!this.#vault.keyring.sealed) return refuse('ALREADY_UNSEALED', 'There is nothing to do.');
    if (input.reset === true) {
      const barred = await this.#enter(caller, 'seal.attempt-reset', seal);
      if (barred !== null) return barred;
      this.#begin();
      return await this.#view(seal);
    }
    const key = await this.#keyOf(seal, input);
    if ('number' in key) return await this.#give(caller, 'seal.attempted', seal, this.#given, key);
    const opened = isRefusal(key) ? key : this.#tryKey(seal, key);
    if (isRefusal(opened)) {
      await this.#enter(caller, 'seal.attempted', seal, opened.refused.toLowerCase());
      // Shares that made no key that opens are given anew.
      if (!isRefusal(key)) this.#begin();
      return opened;
    }
    // INVARIANT: what can't be entered does not open.
    const barred = await this.#enter(caller, 'seal.opened', seal);
    if (barred !== null) return barred;
    this.#vault.keyring.unseal(opened);
    this.#begin();
    this.#opened();
    return await this.#view(seal);
  }

  async #close(caller: SealCaller): Promise<Seal | Refusal> {
    const seal = await this.#seal();
    if (isRefusal(seal)) return seal;
    if (this.#vault.keyring.sealed) return SEALED;
    const barred = await this.#enter(caller, 'seal.closed', seal);
    if (barred !== null) return barred;
    const cleared = this.#vault.keyring.seal();
    this.#forgetPending();
    this.#begin();
    await cleared;
    return await this.#view(seal);
  }

  /** Nothing is committed by it: a key that it leaves in the token is taken by the next who asks for its label. */
  async #makeInHsm(caller: SealCaller, change: SealChange): Promise<MadeSeal | Refusal> {
    const seal = await this.#seal();
    if (isRefusal(seal)) return seal;
    if (this.#vault.keyring.sealed) return SEALED;
    const made = await makeSeal(this.#means, this.#place(seal), change);
    // A PIN may have been tried by it, as by unsealing; where something was not said at all, nothing was.
    if (isRefusal(made) && made.refused !== 'INVALID_INPUT')
      await this.#enter(caller, 'seal.change-refused', seal, made.refused.toLowerCase());
    return made;
  }

  async #change(caller: SealCaller, change: SealChange, ready: MadeSeal | null): Promise<Changed | Refusal> {
    // INVARIANT: files are touched only once it is known which seal counts: a COMMIT in doubt may still be under way.
    await this.#vault.ledger.settled();
    await this.#removeFormerFiles(caller);
    const seal = await this.#seal();
    if (isRefusal(seal)) return seal;
    if (this.#vault.keyring.sealed) return SEALED;
    // Its key may still wait beside, after a commit whose outcome was unknown: the next one would go over it.
    const present = parametersOf(seal);
    const { keyFile } = this.#means;
    const isFree = usingFile('INVALID_INPUT', () => {
      if (present.kind === 'file') settleKeyFile(keyFile, present.check);
      return change.kind !== 'file' || isOwnOrFree(keyFile, ownKeyAt(keyFile, present));
    });
    if (isRefusal(isFree)) return isFree;
    if (!isFree)
      return refuse('INVALID_INPUT', `Another installation's key lies at ${keyFile}: move it away first.`, '/kind');
    const made = ready ?? (await makeSeal(this.#means, this.#place(seal), change));
    if (isRefusal(made)) return made;
    this.#forgetPending();
    const { parameters, keyBytes, shares } = made;
    if (parameters.kind !== 'shamir') {
      const changed = await this.#commit(caller, seal, parameters, keyBytes).finally(() => keyBytes.wipe());
      return isRefusal(changed) ? changed : { seal: changed };
    }
    const barred = await this.#enter(caller, 'seal.change-begun', seal, parameters.kind);
    if (barred !== null) {
      keyBytes.wipe();
      return barred;
    }
    this.#pending = { parameters, keyBytes, nonce: newNonce(), given: [] };
    return { seal: await this.#view(seal), shares: shares ?? [] };
  }

  async #confirm(caller: SealCaller, text: string, nonce: string): Promise<Seal | Refusal> {
    const seal = await this.#seal();
    if (isRefusal(seal)) return seal;
    if (this.#vault.keyring.sealed) return SEALED;
    const pending = this.#pending;
    if (pending?.nonce !== nonce)
      return refuse('ATTEMPT_OVER', 'No change waits for this share; begin anew.', '/nonce');
    const share = readNewShare(pending.parameters, pending.given, text);
    if (isRefusal(share)) {
      await this.#enter(caller, 'seal.confirming', seal, share.refused.toLowerCase());
      return share;
    }
    if (pending.given.length + 1 < pending.parameters.threshold)
      return await this.#give(caller, 'seal.confirming', seal, pending.given, share);
    // The last one is kept nowhere: where the change can't be entered, it is given again.
    const combined = await combineShares([...pending.given, share]);
    share.bytes.wipe();
    const whole = timingSafeEqual(combined, pending.keyBytes.read());
    combined.fill(0);
    if (!whole) throw new Error('shares that were checked one by one do not make the key that was split');
    const changed = await this.#commit(caller, seal, pending.parameters, pending.keyBytes);
    if (!isRefusal(changed)) this.#forgetPending();
    return isRefusal(changed) ? changed : this.show();
  }

  /** `keyBytes` stay the caller's to wipe. */
  async #commit(
    caller: SealCaller,
    seal: SealRow,
    parameters: SealParameters,
    keyBytes: SecretBytes,
  ): Promise<Seal | Refusal> {
    const { keyring, ledger, clock } = this.#vault;
    const { unsealed } = keyring;
    if (unsealed === null) return SEALED;
    const { installation } = ledger.head;
    const sealKey = keyFrom(Buffer.from(keyBytes.read()));
    const wrap = ({ key, version }: WrappingKey) => {
      const rootBytes = key.export();
      const wrapped = wrapRootKey(installation, { id: seal.id, rootVersion: version }, sealKey, rootBytes);
      rootBytes.fill(0);
      return wrapped;
    };
    // INVARIANT: what the seal holds is wrapped anew, not what memory holds of another one (`currentRoot`).
    const current = reopenRootKey(installation, seal, unsealed) ?? unsealed;
    if (seal.root_version !== current.root.version)
      return refuse('ATTEMPT_OVER', 'The root key was rotated without an answer: seal and unseal, then try again.');
    const root_key = wrap(current.root);
    const previous_root_key = current.previousRoot === null ? null : wrap(current.previousRoot);
    const { kind } = parameters;
    const draft = { ...caller, action: 'seal.changed', subject: seal.id, code: kind, locks: [seal.id] };
    const recorded = await ledger.record(draft, async (facts) => {
      const row = await facts.find('seals', seal.id);
      if (row?.root_key !== seal.root_key) return refuse('ATTEMPT_OVER', 'The seal was changed meanwhile; look again.');
      const made = {
        kind,
        parameters: JSON.stringify(withFormerFiles(parameters, parametersOf(seal), this.#means.keyFile)),
        created_at: clock.wall(),
      };
      return await facts.update('seals', row, { ...made, root_key, previous_root_key });
    });
    if (isRefusal(recorded)) return recorded;
    keyring.replace(unsealed, unwrapRootKey(installation, recorded.value, sealKey.export()));
    this.#begin();
    // INVARIANT: the change counts, whatever becomes of files: a start settles and removes what was not done here.
    if (parameters.kind === 'file') this.#settle(parameters);
    // A rotation may have been on its way.
    this.#opened();
    await this.#removeFormerFiles(caller);
    return await this.#view(recorded.value);
  }

  #settle({ check }: FileParameters): void {
    try {
      settleKeyFile(this.#means.keyFile, check);
    } catch (error) {
      this.#left(error);
    }
  }

  #forgetPending(): void {
    this.#pending?.keyBytes.wipe();
    for (const { bytes } of this.#pending?.given ?? []) bytes.wipe();
    this.#pending = null;
  }

  /** INVARIANT: a share counts once it is entered, so that an attempt whose entry failed can be repeated. */
  async #give(
    caller: SealCaller,
    action: string,
    seal: SealRow,
    given: Share[],
    share: Share,
  ): Promise<Seal | Refusal> {
    try {
      const barred = await this.#enter(caller, action, seal, `share-${share.number}`);
      if (barred !== null) return barred;
      given.push(share);
    } finally {
      if (!given.includes(share)) share.bytes.wipe();
    }
    return await this.#view(seal);
  }

  /** The key that was given; the share that was, while others are missing. */
  async #keyOf(seal: SealRow, input: UnsealInput): Promise<Buffer | Refusal | Share> {
    const parameters = parametersOf(seal);
    if (parameters.kind !== 'shamir') return await keyOfSeal(this.#means, this.#place(seal), parameters, input);
    if (input.share === undefined) return needs(parameters.kind, '/share');
    if (input.nonce !== this.#nonce) return refuse('ATTEMPT_OVER', 'Ask GET /v1/seal for the present nonce.', '/nonce');
    const share = readNewShare(parameters, this.#given, input.share);
    if (isRefusal(share) || this.#given.length + 1 < parameters.threshold) return share;
    const key = await combineShares([...this.#given, share]);
    share.bytes.wipe();
    return key;
  }

  #tryKey(seal: SealRow, keyBytes: Buffer): Unsealed | Refusal {
    try {
      return unwrapRootKey(this.#vault.ledger.head.installation, seal, keyBytes);
    } catch (error) {
      if (!(error instanceof EnvelopeBroken)) throw error;
      if (RECOGNISED.has(seal.kind)) {
        this.#vault.broken(error.place, error.message);
        return refuse('ENVELOPE_BROKEN', 'The root key does not open under the key of its seal.');
      }
      return refuse('UNSEAL_REFUSED', `This is not ${SEAL_NEEDS[parametersOf(seal).kind]} of this seal.`);
    }
  }

  async #seal(): Promise<SealRow | Refusal> {
    const seal = await readSeal(this.#vault.reader);
    if (seal !== null && !('tampered' in seal)) return seal;
    if (seal !== null) this.#vault.tampered(seal.tampered);
    return refuse('ROW_TAMPERED', 'The stored seal is not the one that the ledger recorded.');
  }

  #place({ id }: SealRow): SealPlace {
    return { installation: this.#vault.ledger.head.installation, id };
  }

  #begin(): void {
    for (const { bytes } of this.#given) bytes.wipe();
    this.#given = [];
    this.#nonce = newNonce();
  }

  async #enter(caller: SealCaller, action: string, { id }: SealRow, code?: string): Promise<Refusal | null> {
    const draft = { ...caller, action, subject: id, code, evenWithoutChange: true as const };
    const recorded = await this.#vault.ledger.record(draft, async () => null);
    return isRefusal(recorded) ? recorded : null;
  }

  async #view(seal: SealRow): Promise<Seal> {
    const parameters = parametersOf(seal);
    const { sealed } = this.#vault.keyring;
    const shamir = parameters.kind === 'shamir' ? parameters : null;
    return {
      kind: parameters.kind,
      sealed,
      rootVersion: seal.root_version,
      // The old root key is kept as long as any key lies under it.
      rootPending: seal.previous_root_key === null ? 0 : await countStaleKeys(this.#vault.reader, seal.root_version),
      shares: shamir?.shares ?? null,
      threshold: shamir?.threshold ?? null,
      attempt: this.#attempt(sealed, shamir),
      pkcs11: parameters.kind === 'pkcs11' ? viewToken(parameters) : null,
    };
  }

  /** Of unsealing while sealed, else of a change that waits for its shares. */
  #attempt(sealed: boolean, shamir: ShamirParameters | null): Seal['attempt'] {
    const numbers = (given: readonly Share[]) => given.map(({ number }) => number);
    if (sealed) {
      if (shamir === null) return null;
      return { nonce: this.#nonce, given: numbers(this.#given), threshold: shamir.threshold };
    }
    if (this.#pending === null) return null;
    const { nonce, given, parameters } = this.#pending;
    return { nonce, given: numbers(given), threshold: parameters.threshold };
  }
}

function newNonce(): string {
  return randomBytes(16).toString('hex');
}
