import { readFileSync } from 'node:fs';

const DOCS = new URL('../../../../docs/cli.md', import.meta.url);

export function readDocs(): string {
  return readFileSync(DOCS, 'utf8');
}

/** The `keyhold …` lines of the blocks marked `sh`, with their continued lines joined. */
export function exampleLines(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] as string);
  const lines = blocks
    .join('')
    .replace(/\\\n\s*/g, '')
    .split('\n');
  return lines.filter((line) => line.startsWith('keyhold '));
}

/** Commands that the table of commands names, in order. */
export function documentedCommands(markdown: string): string[] {
  return [...markdown.matchAll(/^\| `keyhold ([a-z -]+?)(?: [A-Z[-].*?)?` \|/gm)].map((match) => match[1] as string);
}
