import type { Clock } from '../clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/** Time that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #monotonic = 1_000;
  #wall: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(wallMs: number = Date.UTC(2026, 0, 15, 12)) {
    this.#wall = wallMs;
  }

  wall(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(milliseconds: number, action: () => void): () => void {
    const timer = { at: this.#monotonic + Math.max(0, milliseconds), order: this.#order++, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves both clocks on, and fires what falls due on the way, each at its own moment. */
  advance(milliseconds: number): void {
    const end = this.#monotonic + milliseconds;
    for (let due = this.#nextBy(end); due !== undefined; due = this.#nextBy(end)) {
      this.#timers.delete(due);
      this.#moveTo(due.at);
      due.action();
    }
    this.#moveTo(end);
  }

  /** An operator sets the wall clock forth, or back with a negative step. */
  stepWall(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  #moveTo(monotonic: number): void {
    if (monotonic <= this.#monotonic) return;
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }

  #nextBy(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}
