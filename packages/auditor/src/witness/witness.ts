import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import { originHash, readAddCheckpoint, SIZE_MEDIA_TYPE } from '@keyhold/protocol/log/add-checkpoint';
import { type Checkpoint, readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import {
  type NoteKey,
  type NoteSignature,
  readNote,
  type SignedNote,
  writeNote,
  writeSignature,
} from '@keyhold/protocol/log/signed-note';
import { sha256, verifySignature } from '../note-crypto.ts';
import { type Cosigner, cosign } from './cosigner.ts';
import { type Evidence, EvidenceFolder } from './evidence.ts';
import { judge, type SeenCheckpoint } from './judge.ts';
import type { StateFolder } from './state-folder.ts';
import { StateUnusable } from './state-unusable.ts';

/** An answer as HTTP gives it. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What was cosigned last of a log. */
interface Last extends SeenCheckpoint {
  /** With the signatures of the log that were checked, and the cosignatures. */
  readonly note: string;
  readonly cosignatures: readonly NoteSignature[];
  /** What the cosignatures say of when they were made. */
  readonly cosignedAt: number;
}

/** A log that is watched. */
interface Watched {
  readonly keys: readonly NoteKey[];
  last: Last | null;
}

const TEXT = 'text/plain; charset=utf-8';
/** How long a cosignature is given again to whoever asks for the same tree: anybody can, with what is public. */
const GIVEN_AGAIN_SECONDS = 60;

/** A witness (c2sp.org/tlog-witness): it cosigns what continues what it cosigned before, and nothing else. */
export class Witness {
  readonly #state: StateFolder;
  readonly #evidence: EvidenceFolder;
  readonly #now: () => number;
  readonly #logs = new Map<string, Watched>();
  readonly #byHash = new Map<string, Watched>();

  /**
   * @param logs keys whose signatures are believed, several may be of one log
   * @throws StateUnusable
   */
  constructor(state: StateFolder, logs: readonly NoteKey[], now: () => number, loudly: (line: string) => void) {
    this.#state = state;
    this.#now = now;
    this.#evidence = new EvidenceFolder(join(state.path, 'evidence'), loudly);
    for (const origin of new Set(logs.map(({ name }) => name))) {
      state.begin(origin);
      const keys = logs.filter(({ name }) => name === origin);
      const watched = { keys, last: lastOf(state, origin, keys) };
      this.#logs.set(origin, watched);
      this.#byHash.set(originHash(sha256, origin), watched);
    }
    // Of logs that are watched no longer too: who takes one up again must find what was cosigned of it.
    for (const origin of state.origins) lastOf(state, origin, []);
  }

  /** Two notes each by which a log contradicts itself, or seems to. */
  alarms(): readonly Evidence[] {
    return this.#evidence.list();
  }

  /** The newest note that was cosigned of the log with that hash; null where none was. */
  checkpoint(hash: string): string | null {
    return this.#byHash.get(hash)?.last?.note ?? null;
  }

  /**
   * Answers a log. INVARIANT: one synchronous step from reading what was cosigned last to having written down what is
   * cosigned now, so that no other request comes in between; the cosignature leaves after that.
   */
  addCheckpoint(body: Uint8Array): Answer {
    const request = isUtf8(body) ? readAddCheckpoint(Buffer.from(body).toString('utf8')) : null;
    const note = readNote(request?.checkpoint ?? '');
    const checkpoint = readCheckpoint(note?.text ?? '');
    if (request === null || note === null || checkpoint === null)
      return plain(400, 'this is no add-checkpoint request');
    const log = this.#logs.get(checkpoint.origin);
    if (log === undefined) return plain(404, 'this log is not watched here');
    const signers = signersOf(verifySignature, log.keys, note, checkpoint);
    if (signers === null) return plain(403, "a signature that names a key of the log is not that key's");
    if (signers.size === 0) return plain(403, 'no key of the log that is known here signed this');
    const asked = { ...checkpoint, signers };
    const signed = onlyOf(note, [...signers.keys()]);
    const judgement = judge(log.last, asked, request);
    if (judgement.status === 200) return this.#givenBefore(log.last, asked) ?? this.#cosign(log, asked, signed);
    const { status, contradiction } = judgement;
    if (contradiction !== null && log.last !== null) {
      const { origin, size } = asked;
      const sizes = { cosigned: log.last.size, refused: size };
      const notes = { cosigned: log.last.note, refused: writeNote(signed) };
      this.#evidence.keep({ kind: contradiction, origin, atSeconds: this.#now(), sizes, ...notes }, asked);
    }
    if (status === 409) return { status, type: SIZE_MEDIA_TYPE, body: `${log.last?.size ?? 0}\n` };
    return plain(status, status === 400 ? 'the old size is above the new one' : 'this does not continue the log');
  }

  /**
   * What was answered for the same tree a moment ago: its time is as true as it was, so nothing is signed or written
   * anew. Null where that is too old, or another key of the log, whose signature is to be kept, signed this as well.
   */
  #givenBefore(last: Last | null, asked: SeenCheckpoint): Answer | null {
    // Of the same size means of the same root: any other was refused.
    if (last === null || last.size !== asked.size) return null;
    const age = this.#now() - last.cosignedAt;
    // A clock that was put back makes the time untrue.
    if (age < 0 || age > GIVEN_AGAIN_SECONDS) return null;
    return [...asked.signers.keys()].every((key) => last.signers.has(key)) ? cosigned(last.cosignatures) : null;
  }

  #cosign(log: Watched, asked: SeenCheckpoint, signed: SignedNote): Answer {
    const cosignedAt = this.#now();
    const cosignatures = cosign(this.#state.cosigners, asked, cosignedAt);
    const note = writeNote({ ...signed, signatures: [...signed.signatures, ...cosignatures] });
    // "The witness MUST persist the new checkpoint before responding."
    this.#state.write(asked.origin, note);
    log.last = { ...asked, note, cosignatures, cosignedAt };
    return cosigned(cosignatures);
  }
}

function cosigned(cosignatures: readonly NoteSignature[]): Answer {
  return { status: 200, type: TEXT, body: cosignatures.map(writeSignature).join('') };
}

/** The note with what these keys signed, each once: what others put under it was not checked. */
function onlyOf(note: SignedNote, keys: readonly NoteKey[]): SignedNote {
  const first = keys.map((key) => note.signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId));
  return { text: note.text, signatures: first.filter((signature) => signature !== undefined) };
}

/** @throws StateUnusable where what the folder says of a log is not what this witness wrote */
function lastOf(state: StateFolder, origin: string, keys: readonly NoteKey[]): Last | null {
  const text = state.read(origin);
  if (text === null) return null;
  const note = readNote(text);
  const checkpoint = readCheckpoint(note?.text ?? '');
  const own = note === null || checkpoint?.origin !== origin ? null : ownOf(state.cosigners, note, checkpoint);
  if (note === null || checkpoint === null || own === null) {
    throw new StateUnusable(
      `what was cosigned of ${origin} can't be read: ${originHash(sha256, origin)}.checkpoint is not as it was ` +
        'written. Restore the newest copy; with an older one this witness would contradict itself',
    );
  }
  // Its keys may be others by now; then nothing is known of when they signed.
  const signers = signersOf(verifySignature, keys, note, checkpoint) ?? new Map<NoteKey, number | null>();
  return { ...checkpoint, signers, note: text, ...own };
}

/** What this witness's keys put under the note; null where one of them did not, or a signature is not its key's. */
function ownOf(
  cosigners: readonly Cosigner[],
  note: SignedNote,
  checkpoint: Checkpoint,
): Pick<Last, 'cosignatures' | 'cosignedAt'> | null {
  const keys = cosigners.map(({ note: key }) => key);
  const times = signersOf(verifySignature, keys, note, checkpoint);
  if (times?.size !== keys.length) return null;
  // The oldest of them, were they not all of one moment.
  const cosignedAt = Math.min(...[...times.values()].map((atSeconds) => atSeconds ?? 0));
  return { cosignatures: onlyOf(note, keys).signatures, cosignedAt };
}

function plain(status: number, text: string): Answer {
  return { status, type: TEXT, body: `${text}\n` };
}
