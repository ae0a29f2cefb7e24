import type { ReadStream } from 'node:tty';

const [INTERRUPT, END, BACKSPACE, DELETE] = ['\u0003', '\u0004', '\b', '\u007f'];
const [CLEAR_LINE, ESCAPE] = ['\u0015', '\u001b'];
/** What was typed behind the line that was asked for: of the next one. */
let ahead = '';

/**
 * One line from a terminal, not shown while it is typed: what was on a screen stays in its scrollback, and in the eyes
 * of whoever stood behind.
 */
export async function readHidden(input: ReadStream, ask: (text: string) => void, what: string): Promise<string> {
  // Before anybody is asked: what is typed at once is not shown either.
  input.setRawMode(true);
  ask(`${what}: `);
  try {
    const line = await readLine(input.setEncoding('utf8'));
    if (line !== null) return line;
  } finally {
    input.setRawMode(false);
    input.pause();
    ask('\n');
  }
  // As the terminal would have done it, had it not been left to us.
  process.kill(process.pid, 'SIGINT');
  return '';
}

/** What was typed until Enter; null where it was interrupted. */
async function readLine(input: ReadStream): Promise<string | null> {
  const line = new Line();
  if (line.take(ahead)) return line.text;
  for await (const chunk of input.iterator({ destroyOnReturn: false })) {
    if (line.take(chunk as string)) return line.text;
  }
  return line.text;
}

/** Nobody sees what he edits, so what a terminal would do with a key is done, and no key leaves characters behind. */
class Line {
  /** Null: it was interrupted. */
  text: string | null = '';
  #typed: string[] = [];
  /** How far an arrow's or another key's sequence has come (ECMA-48 §5.4). */
  #sequence: 'none' | 'begun' | 'inside' = 'none';

  /** @returns true where it has ended; what lies behind is kept */
  take(text: string): boolean {
    const characters = [...text];
    for (const [i, character] of characters.entries()) {
      const ends = character === '\r' || character === '\n' || character === END || character === INTERRUPT;
      if (!ends) this.#type(character);
      else {
        this.text = character === INTERRUPT ? null : this.#typed.join('');
        ahead = characters.slice(i + 1).join('');
        return true;
      }
    }
    ahead = '';
    this.text = this.#typed.join('');
    return false;
  }

  #type(character: string): void {
    if (this.#sequence === 'begun') this.#sequence = character === '[' || character === 'O' ? 'inside' : 'none';
    else if (this.#sequence === 'inside') this.#sequence = character >= '@' && character <= '~' ? 'none' : 'inside';
    else if (character === ESCAPE) this.#sequence = 'begun';
    else if (character === CLEAR_LINE) this.#typed = [];
    else if (character === BACKSPACE || character === DELETE) this.#typed.pop();
    else if (character >= ' ') this.#typed.push(character);
  }
}
