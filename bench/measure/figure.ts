/** One measured figure, as `--json` prints it. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same unit, measured in the same run; null where there is nothing to compare with. */
  readonly yardstick: number | null;
  /** value / yardstick. */
  readonly ratio: number | null;
}

/** A figure with what is worth knowing beside it; the notes are for people only. */
export interface Measured extends Figure {
  readonly notes: readonly string[];
}

export function compared(name: string, unit: string, value: number, yardstick: number, notes: string[] = []): Measured {
  return { name, value: rounded(value), unit, yardstick: rounded(yardstick), ratio: rounded(value / yardstick), notes };
}

export function alone(name: string, unit: string, value: number, notes: string[] = []): Measured {
  return { name, value: rounded(value), unit, yardstick: null, ratio: null, notes };
}

/** Hands a figure to `main.ts`, or prints it when the script was run by itself (to profile it, for instance). */
export function publish(measured: Measured): void {
  if (process.send !== undefined) process.send(measured);
  else console.log(measured);
}

/** Four significant digits: more would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
