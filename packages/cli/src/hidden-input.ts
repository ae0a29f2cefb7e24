import type { ReadStream } from 'node:tty';

const [INTERRUPT, END, BACKSPACE, DELETE] = ['\u0003', '\u0004', '\b', '\u007f'];

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
  const typed: string[] = [];
  for await (const chunk of input.iterator({ destroyOnReturn: false })) {
    for (const character of chunk as string) {
      if (character === INTERRUPT) return null;
      if (character === '\r' || character === '\n' || character === END) return typed.join('');
      if (character === BACKSPACE || character === DELETE) typed.pop();
      else if (character >= ' ') typed.push(character);
    }
  }
  return typed.join('');
}
