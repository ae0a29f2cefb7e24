import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import { OwnLog } from '../testing/own-log.ts';
import { readSettings } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyhold-settings-'));
after(() => rmSync(folder, { recursive: true }));

const log = new OwnLog('log.test/settings');
const [first, second] = log.verifierKeys as [string, string];
const flags = ['--state', folder, '--name', 'witness.test/w1', '--log', first];

it('takes the keys of logs from flags and from the log lines of a policy, each once', () => {
  const policy = join(folder, 'policy');
  writeFileSync(policy, `log ${first}\nlog ${second} https://log.test\nquorum none\n`);
  const { logs, host, port, tls } = readSettings([...flags, '--policy', policy]);
  assert.deepEqual(logs.map(writeVerifierKey), [first, second]);
  assert.deepEqual([host, port, tls], ['127.0.0.1', 7074, undefined]);
});

it('says what is wrong with a flag', () => {
  const cosignature = first.replace(/^(.*)\+.*\+.*$/, '$1');
  const broken: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /--state FOLDER is missing/],
    [['--state', folder], /no log to watch/],
    [['--state', folder, '--log', first], /--name NAME is missing/],
    [[...flags, '--log', 'nonsense'], /takes a verifier key .* and this is none: nonsense/],
    [[...flags, '--log', cosignature], /this is none/],
    [[...flags, '--log', new OwnLog('x'.repeat(256)).verifierKeys[0] as string], /has more than 255 bytes/],
    [[...flags, '--name', 'https://witness.test'], /without its scheme/],
    [[...flags, '--name', 'two words'], /without its scheme/],
    [[...flags, '--name', 'x'.repeat(256)], /up to 255 bytes/],
    [[...flags, '--port', '70000'], /--port takes a port/],
    [[...flags, '--colour', 'red'], /--colour/],
    [[...flags, '--policy', join(folder, 'missing')], /--policy .*ENOENT/],
    [[...flags, '--tls-cert', folder], /go together/],
    [[...flags, '--host', '192.0.2.1'], /192\.0\.2\.1 is not a loopback address/],
  ];
  for (const [args, message] of broken) {
    assert.throws(() => readSettings(args), { name: 'SettingsError', message }, args.join(' '));
  }
  assert.equal(readSettings([...flags, '--host', '192.0.2.1', '--behind-proxy']).host, '192.0.2.1');
});
