import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pages } from './api-command.ts';

it('a list that is shown goes on past pages that have nothing yet, to its first or to its end', async () => {
  const shown = async (all: boolean, ...each: string[][]) => {
    const list = async ({ cursor = 0 }: Readonly<Record<string, unknown>>) => {
      const next = Number(cursor) + 1;
      return { items: each[Number(cursor)], nextCursor: next < each.length ? String(next) : null };
    };
    const texts: string[] = [];
    for await (const { items } of pages<string>(list, {}, all)) texts.push(items.join());
    return texts;
  };
  assert.deepEqual(await shown(false, [], [], ['one'], ['two']), ['', '', 'one']);
  assert.deepEqual(await shown(false, [], []), ['', '']);
  assert.deepEqual(await shown(true, ['one'], [], ['two']), ['one', '', 'two']);
});
