import type { Clock } from '../../clock.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Events in true time, which nobody in the simulated world can read. A binary heap. */
export class VirtualTime {
  now = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  at(time: number, run: () => void): () => void {
    const event = { at: Math.max(this.now, time), order: this.#order++, run, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  after(delay: number, run: () => void): () => void {
    return this.at(this.now + delay, run);
  }

  /** Runs the next event before `limit`; false when there is none. */
  step(limit: number): boolean {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > limit) {
        this.now = limit;
        return false;
      }
      this.#pop();
      if (first.cancelled) continue;
      this.now = first.at;
      first.run();
      return true;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A machine's clocks: they run at their own rate, its wall clock can be set, and it can stop to react. */
export class MachineClock implements Clock {
  readonly #time: VirtualTime;
  readonly #rate: number;
  readonly #bootedAt: number;
  #wallOffset: number;
  pausedUntil = 0;
  /** A dead machine's timers do nothing. */
  dead = false;

  constructor(time: VirtualTime, rate: number, wallOffset: number) {
    this.#time = time;
    this.#rate = rate;
    this.#bootedAt = time.now;
    this.#wallOffset = wallOffset;
  }

  wall(): number {
    return Math.floor(1.8e12 + this.#time.now * this.#rate + this.#wallOffset);
  }

  monotonic(): number {
    return (this.#time.now - this.#bootedAt) * this.#rate;
  }

  after(milliseconds: number, action: () => void): () => void {
    // Node's timers wait a millisecond at least.
    return this.#time.after(Math.max(1, milliseconds) / this.#rate, () => this.react(action));
  }

  stepWall(milliseconds: number): void {
    this.#wallOffset += milliseconds;
  }

  /** Runs the action when this machine is able to. */
  react(action: () => void): void {
    if (this.dead) return;
    if (this.pausedUntil > this.#time.now) this.#time.at(this.pausedUntil, () => this.react(action));
    else action();
  }
}
