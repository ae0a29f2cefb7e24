import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Leaf } from '@keyhold/protocol/leaf';
import { type Browser, chromium, type Page } from 'playwright-core';
import { smallLog } from '../testing/small-log.ts';
import { verifyPage } from './verify-page.ts';

const found = spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], { encoding: 'utf8' });
const executablePath = found.stdout.trim();
if (executablePath === '' && process.env['CI'] === 'true')
  throw new Error('Chromium is missing, and in CI everything is tested');
const skip = executablePath === '' && 'Chromium is missing';

const log = smallLog(11);
const change = (leaf: Leaf): Leaf => ({ ...leaf, changes: [{ id: 'key_1', before: 'ab'.repeat(32), after: null }] });
const edited = smallLog(2, { change });
const broken = smallLog(2, { change: (leaf) => ({ ...leaf, changes: [null] }) as unknown as Leaf });
const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
let browser: Browser;

before(async () => {
  if (skip !== false) return;
  writeFileSync(join(folder, 'check.html'), await verifyPage());
  writeFileSync(join(folder, 'one.tlog-proof'), log.receipt(7));
  writeFileSync(join(folder, 'changed.tlog-proof'), log.receipt(7).replace('index 6', 'index 5'));
  writeFileSync(join(folder, 'part.jsonl'), log.exported(3, 9));
  writeFileSync(join(folder, 'edited.jsonl'), edited.exported(1, 2));
  writeFileSync(join(folder, 'broken.jsonl'), broken.exported(1, 2));
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** The page as a file, away from any network, with whatever it asks for written down. */
async function open(asked: string[]): Promise<Page> {
  const context = await browser.newContext({ offline: true });
  const page = await context.newPage();
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(pathToFileURL(join(folder, 'check.html')).href);
  await page.locator('#go:not([disabled])').waitFor();
  return page;
}

async function check(page: Page, file: string, { keys } = log, meanwhile = () => {}): Promise<string> {
  await page.locator('#keys').fill(keys);
  await page.locator('#file').setInputFiles(join(folder, file));
  meanwhile();
  await page.locator('#go').click();
  await page.locator('#result.valid, #result.invalid').waitFor();
  return (await page.locator('#result').textContent()) ?? '';
}

it('the page checks a file in a real browser, offline, and asks nobody for anything', { skip }, async () => {
  const asked: string[] = [];
  const page = await open(asked);
  assert.match(await check(page, 'one.tlog-proof'), /The receipt holds: entry 7\.[\s\S]*What is proven[\s\S]*operator/);
  assert.match(await check(page, 'changed.tlog-proof'), /proves nothing/);
  assert.match(await check(page, 'part.jsonl'), /It holds: 7 entries, up to entry 9 of 11/);
  assert.deepEqual(
    asked.filter((url) => !/^(?:file:.*\/check\.html$|data:text\/javascript)/.test(url)),
    [],
  );
});

it('and says what was found beside that, and of what can’t be read that it can’t', { skip }, async () => {
  const page = await open([]);
  assert.match(
    await check(page, 'edited.jsonl', edited),
    /It holds: 2 entries[\s\S]*What was found\s*key_1 had been edited past the ledger before entry 1\./,
  );
  assert.match(await check(page, 'broken.jsonl', broken), /does not hold. At entry 1: the leaf cannot be read/);
  writeFileSync(join(folder, 'gone.jsonl'), log.exported(1, 2));
  const gone = await check(page, 'gone.jsonl', log, () => rmSync(join(folder, 'gone.jsonl')));
  assert.match(gone, /This file can not be read/);
});

it('and the browser itself holds it to that', { skip }, async () => {
  const page = await open([]);
  const refused = await page.evaluate("fetch('https://example.org/').then(() => 'sent', (error) => String(error))");
  assert.match(String(refused), /TypeError/);
  const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
  assert.match(policy ?? '', /default-src 'none'.*connect-src 'none'/);
});

it('and of a file that is larger than a text can be, it reads all that it needs', { skip }, async () => {
  // Behind an export that holds, more than Chromium takes into one string: lines that no export has.
  const file = join(folder, 'large.jsonl');
  writeFileSync(file, log.exported(1, 11));
  const filling = `${' '.repeat(999_999)}\n`.repeat(32);
  for (let i = 0; i < 18; i++) appendFileSync(file, filling);
  const page = await open([]);
  assert.match(await check(page, 'large.jsonl'), /does not hold. At entry 12: /);
});
