import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMalformed } from '../dialect.ts';
import { testRefusals } from '../testing/refusals.ts';
import { outgoing, signed } from '../testing/requests.ts';
import { rfc9421, rfc9421SettingsFault } from './rfc9421.ts';

const SETTINGS = { dialect: 'rfc9421' } as const;

describe('rfc9421', () => {
  it('takes no settings that leave open what is done, or to what, and reads nothing by such', async () => {
    const request = await signed(rfc9421, SETTINGS, outgoing('GET', 'https://x.test/a?b=1'), { algorithm: 'ed25519' });
    for (const [components, fault] of [
      [[], /@method/],
      [['@target-uri'], /@method/],
      [['@method', '@path'], /the target/],
      [['@method', '@query'], /the target/],
      [['@method', '@authority'], /the target/],
      [['@method', '@path', '@query-param;name="b"'], /the target/],
      [['@method', '@target-uri', '@new'], /unknown/],
      [['@method', '@target-uri', '@status'], /no request has it/],
      [['@method', '@target-uri', 'content-type;req'], /no request has it/],
      [['@method', '@target-uri', 'content-type;tr'], /no request has it/],
    ] as const) {
      const settings = { ...SETTINGS, components: [...components] };
      assert.match(rfc9421SettingsFault(settings) ?? '', fault, components.join());
      const read = rfc9421.read(request, settings);
      assert.ok(isMalformed(read), components.join());
    }
    for (const components of [undefined, ['@method', '@request-target'], ['@query', '@method', '@path']]) {
      assert.equal(rfc9421SettingsFault({ ...SETTINGS, ...(components && { components }) }), null);
    }
  });

  testRefusals(rfc9421, SETTINGS);
});
