import { originHash, readSize } from '@keyhold/protocol/log/add-checkpoint';
import type { Clock } from '../clock.ts';
import { sha256 } from '../ledger/tree.ts';

/** What a witness says to a checkpoint. */
export type WitnessAnswer =
  /** Signature lines, unchecked. */
  | { readonly kind: 'cosigned'; readonly lines: string }
  /** It cosigned another size last. */
  | { readonly kind: 'size'; readonly size: number }
  /** It does not cosign this, and says so. */
  | { readonly kind: 'refused'; readonly status: number }
  /** No answer in time, or none that says anything. */
  | { readonly kind: 'failed'; readonly detail: string };

/** The newest note that a witness shows of a log: null where it has none. */
export type ShownNote = { readonly note: string | null } | { readonly failed: string };

type Called = { readonly status: number; readonly text: string } | { readonly failed: string };

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const PATIENCE_MS = 5_000;
/** 64 signatures of the longest kind. */
const MAX_ANSWER_BYTES = 256 * 1024;
/** Statuses by which a witness refuses a checkpoint (c2sp.org/tlog-witness). */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 404, 422]);

/** Speaks to witnesses, which may say anything, or nothing. Connections are kept by `fetch`. */
export class WitnessClient {
  readonly #clock: Clock;
  readonly #fetch: Fetch;

  constructor(clock: Clock, send: Fetch = fetch) {
    this.#clock = clock;
    this.#fetch = send;
  }

  /** @param body of add-checkpoint */
  async submit(url: string, body: string, ended?: AbortSignal): Promise<WitnessAnswer> {
    const answer = await this.#call(`${url}/add-checkpoint`, { method: 'POST', body }, ended);
    if ('failed' in answer) return { kind: 'failed', detail: answer.failed };
    const { status, text } = answer;
    if (status === 200) return { kind: 'cosigned', lines: text };
    const size = status === 409 ? readSize(text.replace(/\n$/, '')) : null;
    if (size !== null) return { kind: 'size', size };
    return REFUSALS.has(status) ? { kind: 'refused', status } : { kind: 'failed', detail: `it answers ${status}` };
  }

  /** Asks for the newest note of a log; its monitoring prefix is taken to be its submission prefix. */
  async newest(url: string, origin: string, ended?: AbortSignal): Promise<ShownNote> {
    const answer = await this.#call(`${url}/${originHash(sha256, origin)}/checkpoint`, {}, ended);
    if ('failed' in answer) return answer;
    if (answer.status === 404) return { note: null };
    return answer.status === 200 ? { note: answer.text } : { failed: `it answers ${answer.status}` };
  }

  async #call(url: string, init: RequestInit, ended: AbortSignal | undefined): Promise<Called> {
    const late = new AbortController();
    const cancel = this.#clock.after(PATIENCE_MS, () => late.abort());
    const signal = ended === undefined ? late.signal : AbortSignal.any([late.signal, ended]);
    try {
      // Who could send us elsewhere would be asked for by our own network.
      const response = await this.#fetch(url, { ...init, signal, redirect: 'error' });
      const text = await readBounded(response);
      return text === null ? { failed: 'its answer is too long' } : { status: response.status, text };
    } catch (error) {
      return { failed: late.signal.aborted ? `no answer within ${PATIENCE_MS} ms` : reasonOf(error) };
    } finally {
      cancel();
    }
  }
}

async function readBounded(response: Response): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += (chunk as Uint8Array).length;
    if (length > MAX_ANSWER_BYTES) return null;
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The code of the fault: its words may repeat the address, which may hold a password. */
function reasonOf(error: unknown): string {
  const { cause, name } = error as { cause?: { code?: string }; name?: string };
  return `it can't be reached (${cause?.code ?? name ?? 'unknown'})`;
}
