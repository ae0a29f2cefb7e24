import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { smallLog } from '../testing/small-log.ts';
import { verifyPage } from './verify-page.ts';

const found = spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], { encoding: 'utf8' });
const executablePath = found.stdout.trim();
if (executablePath === '' && process.env['CI'] === 'true')
  throw new Error('Chromium is missing, and in CI everything is tested');
const skip = executablePath === '' && 'Chromium is missing';

const log = smallLog(11);
const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
let browser: Browser;

before(async () => {
  if (skip !== false) return;
  writeFileSync(join(folder, 'check.html'), await verifyPage());
  writeFileSync(join(folder, 'one.tlog-proof'), log.receipt(7));
  writeFileSync(join(folder, 'changed.tlog-proof'), log.receipt(7).replace('index 6', 'index 5'));
  writeFileSync(join(folder, 'part.jsonl'), log.exported(3, 9));
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

async function check(page: Page, file: string): Promise<string> {
  await page.locator('#keys').fill(log.keys);
  await page.locator('#file').setInputFiles(join(folder, file));
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

it('and the browser itself holds it to that', { skip }, async () => {
  const page = await open([]);
  const refused = await page.evaluate("fetch('https://example.org/').then(() => 'sent', (error) => String(error))");
  assert.match(String(refused), /TypeError/);
  const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
  assert.match(policy ?? '', /default-src 'none'.*connect-src 'none'/);
});
