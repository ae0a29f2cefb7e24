import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';
import { enrolOwner, TestPerson } from '../testing/person.ts';

const TILE_WIDTH = 256;

onEachDatabase('the bootstrap token', (createPlace) => {
  it('does not come back with a log that was pruned, whether its owner is there or not', async () => {
    for (const isOwned of [true, false]) {
      await using place = await createPlace();
      const file = join(place.folder, 'bootstrap-token');
      let token: string;
      {
        await using installation = await startInstallation(place);
        token = installation.bootstrapToken;
        const made = await installation.call('POST', '/v1/tokens', { name: 'all', scopes: ['admin'] });
        const owner = isOwned ? await enrolOwner(installation) : null;
        const call = (path: string, body: object) => installation.call('POST', path, body, { token: made.body.secret });
        for (let i = 0; i < 2 * TILE_WIDTH; i += 32) {
          const names = Array.from({ length: 32 }, (_, j) => `p${i + j}`);
          await Promise.all(names.map((slug) => call('/v1/projects', { slug, name: slug })));
        }
        const before = { before: new Date().toISOString() };
        const prune = '/v1/audit/prune';
        const pruned = await (owner?.call('POST', prune, before, { confirm: true }) ?? call(prune, before));
        assert.ok(pruned.body.upTo >= TILE_WIDTH, JSON.stringify(pruned.body));
      }
      await using installation = await startInstallation(place);
      assert.equal(existsSync(file), !isOwned);
      const enrolled = await new TestPerson(installation).enrol(token, 'Somebody');
      assert.equal(enrolled.status, isOwned ? 401 : 201);
    }
  });
});
