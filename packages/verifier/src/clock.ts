/** Time, injected everywhere: simulations and tests hand in a virtual one. */
export interface Clock {
  /** Epoch milliseconds; may be set back or forth by an operator. */
  wall(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Runs `action` once after `milliseconds`; the returned function cancels it. */
  after(milliseconds: number, action: () => void): () => void;
}

/** Both clocks, read at once. */
export interface Moment {
  /** Epoch milliseconds. */
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** Longest delay that Node's timers take; beyond it they fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  after: (milliseconds, action) => {
    const timer = setTimeout(action, Math.min(Math.max(0, milliseconds), MAX_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
