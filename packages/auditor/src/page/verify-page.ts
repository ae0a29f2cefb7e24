import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MAX_BYTES = 4 * 1024 * 1024;

let made: Promise<string> | undefined;

/** The page that checks a file in the browser, as one file that needs no other. */
export function verifyPage(): Promise<string> {
  made ??= makePage().catch((error) => {
    made = undefined;
    throw error;
  });
  return made;
}

async function makePage(): Promise<string> {
  const script = fileURLToPath(new URL('./write-page.ts', import.meta.url));
  const args = ['--disable-warning=ExperimentalWarning', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: MAX_BYTES, env: {} });
  return stdout;
}
