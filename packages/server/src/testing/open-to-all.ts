import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** A phone, and a desk at night. */
const VIEWS = [
  { viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
] as const;

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[];
}

const shoot = async (page: Page, name: string) => {
  const folder = process.env['KEYHOLD_SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
};

/** Nothing keeps anybody out, at no width and in no light; and all of it can be reached by the keyboard. */
export async function assertOpenToAll(page: Page, name: string): Promise<void> {
  for (const { viewport, colorScheme } of VIEWS) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await shoot(page, `${name}-${viewport.width}-${colorScheme}`);
    const devtools = await page.context().newCDPSession(page);
    const { result } = await devtools.send('Runtime.evaluate', {
      // Not as a script of the page: its own policy takes none.
      expression: `${AXE}\naxe.run().then((found) => JSON.stringify({ violations: found.violations }))`,
      awaitPromise: true,
    });
    const { violations } = JSON.parse(result.value as string) as AxeResult;
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    assert.deepEqual(found, [], `${name} at ${viewport.width}, ${colorScheme}`);
    const wide = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
    assert.equal(wide, false, `${name} scrolls sideways at ${viewport.width}`);
  }
}

/** Waits for what the page says. */
export const note = (page: Page, text: string) => page.locator('#note', { hasText: text }).waitFor();

/** Runs in the page, with what the page itself loads: there is no page for this yet. */
// biome-ignore lint/suspicious/noExplicitAny: the answer of an API
export async function invite(body: object): Promise<[any, number]> {
  const module = '/assets/passkeys.js';
  const { call, callConfirmed } = await import(module);
  const { sessions, passkeys, rpId } = await call('GET', '/v1/session');
  const session = sessions.find(({ current }: { current: boolean }) => current).id;
  const ids = passkeys.map(({ credentialId }: { credentialId: string }) => credentialId);
  try {
    return [await callConfirmed('POST', '/v1/people', body, { session, rpId, passkeys: ids }), 201];
  } catch (error) {
    return [String(error), 0];
  }
}
