import type { Clock } from '../clock.ts';

/** Chunks that wait to be read. */
const WAITING = 4;

/** A stream whose writer waits for its reader, but not for ever. */
export class PatientStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #roomMade: () => void = () => {};
  #left = false;

  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#roomMade(),
        cancel: () => {
          this.#left = true;
          this.#roomMade();
        },
      },
      { highWaterMark: WAITING },
    );
  }

  /** @throws Error once the reader has left, or did not read for too long */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#left && (this.#controller.desiredSize ?? 0) <= 0) await this.#room();
    if (this.#left) throw new Error('whoever read it has left');
    this.#controller.enqueue(bytes);
  }

  close(): void {
    if (!this.#left) this.#controller.close();
  }

  /** The reader gets what was thrown in place of the end. */
  abort(error: unknown): void {
    if (!this.#left) this.#controller.error(error);
  }

  #room(): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#patienceMs, () => {
        reject(new Error(`nobody read it for ${this.#patienceMs} ms`));
      });
      this.#roomMade = () => {
        cancel();
        resolve();
      };
    });
  }
}
