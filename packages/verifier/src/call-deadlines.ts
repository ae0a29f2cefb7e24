import type { Clock } from './clock.ts';
import { type Taken, unavailable } from './shared-store.ts';

/** A call that somebody waits for. */
export interface WaitingCall {
  readonly sentAt: number;
  /** Null once it was settled. */
  resolve: ((taken: Taken) => void) | null;
}

/**
 * Calls that are each given the same time. They run out in the order in which they came, so that one timer serves all
 * of them: one each would cost as much as the call.
 */
export class CallDeadlines {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onTimeout: (sentAt: number) => void;
  #calls: WaitingCall[] = [];
  #head = 0;
  #cancel: (() => void) | null = null;

  /** @param onTimeout told when the call that ran out was sent, by the monotonic clock */
  constructor(clock: Clock, timeoutMs: number, onTimeout: (sentAt: number) => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onTimeout = onTimeout;
  }

  add(resolve: (taken: Taken) => void): WaitingCall {
    const call: WaitingCall = { sentAt: this.#clock.monotonic(), resolve };
    this.#calls.push(call);
    this.#cancel ??= this.#clock.after(this.#timeoutMs, this.#look);
    return call;
  }

  /** Answers everybody who waits. */
  settleAll(taken: Taken): void {
    this.#cancel?.();
    this.#cancel = null;
    const waiting = this.#calls.slice(this.#head);
    [this.#calls, this.#head] = [[], 0];
    for (const call of waiting) settle(call, taken);
  }

  #look = (): void => {
    this.#cancel = null;
    const due = this.#clock.monotonic() - this.#timeoutMs;
    let timedOut: number | null = null;
    for (let call = this.#calls[this.#head]; call !== undefined; call = this.#calls[this.#head]) {
      if (call.resolve !== null && call.sentAt > due) break;
      if (call.resolve !== null) timedOut = call.sentAt;
      settle(call, unavailable(`no answer within ${this.#timeoutMs} ms`));
      this.#head++;
    }
    this.#calls = this.#calls.slice(this.#head);
    this.#head = 0;
    const next = this.#calls[0];
    if (next !== undefined) this.#cancel = this.#clock.after(Math.max(1, next.sentAt - due), this.#look);
    if (timedOut !== null) this.#onTimeout(timedOut);
  };
}

export function settle(call: WaitingCall, taken: Taken): void {
  const { resolve } = call;
  call.resolve = null;
  resolve?.(taken);
}
