import type { Sha256 } from './merkle.ts';
import { type NoteKey, readVerifierKey, SIGNATURE_TYPES } from './signed-note.ts';

/** Whose checkpoints are believed (c2sp.org/tlog-policy): any of these logs, seen by enough of these witnesses. */
export interface TrustPolicy {
  readonly logs: readonly (NoteKey & { readonly url: string | null })[];
  readonly witnesses: readonly Witness[];
  /** Whether these witnesses are enough. */
  readonly isQuorum: (cosigners: ReadonlySet<NoteKey>) => boolean;
}

export interface Witness {
  readonly name: string;
  readonly key: NoteKey;
  readonly url: string | null;
}

type Member = (cosigners: ReadonlySet<NoteKey>) => boolean;

/** A policy that can't be read; says which line and why. */
export class PolicyUnreadable extends Error {
  override readonly name = 'PolicyUnreadable';
}

/** @throws PolicyUnreadable */
export function readTrustPolicy(sha256: Sha256, text: string): TrustPolicy {
  const reading = new Reading(sha256);
  text.split('\n').forEach((line, i) => {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    if (words.length === 0 || words[0]?.startsWith('#') === true) return;
    try {
      reading.take(words);
    } catch (error) {
      throw new PolicyUnreadable(`line ${i + 1}: ${(error as Error).message}`);
    }
  });
  return reading.policy();
}

class Reading {
  readonly #sha256: Sha256;
  readonly #logs: (NoteKey & { readonly url: string | null })[] = [];
  readonly #witnesses: Witness[] = [];
  readonly #members = new Map<string, Member>();
  readonly #used = new Set<string>();
  #quorum: Member | null = null;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  take([kind, ...words]: readonly string[]): void {
    if (kind === 'log') this.#log(words);
    else if (kind === 'witness') this.#witness(words);
    else if (kind === 'group') this.#group(words);
    else if (kind === 'quorum') this.#setQuorum(words);
    else throw new Error(`"${kind}" is none of log, witness, group and quorum`);
  }

  policy(): TrustPolicy {
    if (this.#quorum === null) throw new PolicyUnreadable('there is no quorum line; "quorum none" asks for no witness');
    return { logs: this.#logs, witnesses: this.#witnesses, isQuorum: this.#quorum };
  }

  #log(words: readonly string[]): void {
    const [vkey, url = null] = counted(words, 1, 2);
    const key = this.#key(vkey, this.#logs);
    if (key.type === SIGNATURE_TYPES.ed25519Cosignature) throw new Error('a log does not sign with a cosignature key');
    this.#logs.push({ ...key, url });
  }

  #witness(words: readonly string[]): void {
    const [name, vkey, url = null] = counted(words, 2, 3);
    const key = this.#key(
      vkey as string,
      this.#witnesses.map(({ key }) => key),
    );
    if (key.type === SIGNATURE_TYPES.ed25519) throw new Error('a witness signs with a cosignature key');
    this.#witnesses.push({ name, key, url });
    this.#define(name, (cosigners) => cosigners.has(key));
  }

  #group(words: readonly string[]): void {
    const [name, threshold, ...names] = words;
    if (name === undefined || threshold === undefined || names.length === 0) throw new Error('a group has members');
    const needed = { any: 1, all: names.length }[threshold] ?? Number(threshold);
    if (!(Number.isInteger(needed) && needed >= 1 && needed <= names.length)) {
      throw new Error(`"${threshold}" is none of any, all and 1 to ${names.length}`);
    }
    const members = names.map((member) => this.#member(member));
    this.#define(name, (cosigners) => members.filter((member) => member(cosigners)).length >= needed);
  }

  #setQuorum(words: readonly string[]): void {
    if (this.#quorum !== null) throw new Error('there is one quorum line');
    const [name] = counted(words, 1, 1);
    this.#quorum = name === 'none' ? () => true : this.#member(name);
  }

  #define(name: string, member: Member): void {
    if (name === 'none' || this.#members.has(name)) throw new Error(`the name ${name} is taken`);
    this.#members.set(name, member);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`${name} is not defined above`);
    if (this.#used.has(name)) throw new Error(`${name} is a member already`);
    this.#used.add(name);
    return member;
  }

  #key(text: string, others: readonly NoteKey[]): NoteKey {
    const key = readVerifierKey(this.#sha256, text);
    if (key === null) throw new Error(`"${text}" is no verifier key`);
    const bytes = key.publicKey.join();
    if (others.some(({ publicKey }) => publicKey.join() === bytes)) throw new Error('this key is named twice');
    return key;
  }
}

function counted(words: readonly string[], least: number, most: number): [string, ...string[]] {
  if (words.length < least || words.length > most) throw new Error(`it takes ${least} to ${most} words`);
  return words as unknown as [string, ...string[]];
}
