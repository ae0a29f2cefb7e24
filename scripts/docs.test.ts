import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '@keyhold/protocol/errors';
import { VERDICT_CODES } from '@keyhold/protocol/verdict';
import { createPlace } from '@keyhold/server/testing/databases';
import { haveProgram } from '@keyhold/server/testing/missing-part';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT }).sort();
/** Where a path named in a page may begin; flows name files by room, as their readers do. */
const PATH_ROOTS = ['.', 'packages/server/src', 'packages/verifier/src', 'packages/protocol/src', 'packages/sdk/src'];

const FILE = /^[\w.@*{}][\w.@*{},/-]*\.(?:ts|tsx|mjs|md|json)$/;
const FOLDER = /^(?:(?:packages|docs|scripts|examples|bench)\/[\w/-]+|(?:[\w-]+\/)+)$/;

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Text between a heading and the next of its level. */
function section(page: string, heading: string): string {
  const body = read(page).split(`\n## ${heading}\n`)[1];
  assert.ok(body !== undefined, `${page} has no section "${heading}"`);
  return body.split('\n## ')[0] as string;
}

/** Rows of the only table in `text`, as cells. */
function rows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const code = (cell: string | undefined): string => (cell ?? '').replaceAll('`', '');

/** The fenced block whose opening fence says `info`. */
function block(page: string, info: string): string {
  const found = read(page).split(`\n\`\`\`${info}\n`)[1];
  assert.ok(found !== undefined, `${page} has no block marked ${info}`);
  return found.split('\n```')[0] as string;
}

describe('docs/errors.md', () => {
  it('has a line for every error code, with its status, and for no other', () => {
    const documented = rows(section('docs/errors.md', 'Errors')).map(([name, status]) => [code(name), Number(status)]);
    assert.deepEqual(
      documented,
      Object.entries(ERRORS).map(([name, { status }]) => [name, status]),
    );
  });

  it('has a line for every verdict code, in the order in which they are asked', () => {
    const documented = rows(section('docs/errors.md', 'Verdicts')).map(([name]) => code(name));
    assert.deepEqual(documented, [...VERDICT_CODES]);
  });

  it('has a line for every alarm, and for no other', () => {
    const documented = rows(section('docs/errors.md', 'Alarms')).map(([name]) => code(name));
    const declared = /readonly code:\s+([^;]+);/.exec(read('packages/server/src/ledger/alarms.ts'))?.[1] ?? '';
    assert.deepEqual(
      documented,
      [...declared.matchAll(/'(\w+)'/g)].map(([, name]) => name),
    );
  });
});

describe('the pages', () => {
  it('keep the README under 150 lines', () => {
    assert.ok(read('README.md').split('\n').length <= 150);
  });

  it('link to files that exist', () => {
    const broken = PAGES.flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => (target as string).split('#')[0] as string)
        .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
        .filter((target) => globSync(target, { cwd: join(ROOT, dirname(page)) }).length === 0)
        .map((target) => `${page}: ${target}`),
    );
    assert.deepEqual(broken, []);
  });

  it('name files and folders that exist', () => {
    const missing = PAGES.flatMap((page) =>
      namedPaths(read(page))
        .filter((path) => !exists(path))
        .map((path) => `${page}: ${path}`),
    );
    assert.deepEqual(missing, []);
  });

  it('list exactly the environment variables that the configuration reads', () => {
    const documented = [...read('docs/settings.md').matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) =>
      [...(cell as string).matchAll(/`(\w+)`/g)].map(([, name]) => name as string),
    );
    const source = read('packages/server/src/config.ts');
    const readByConfig = [...source.matchAll(/env\['(\w+)'\]/g)].map(([, name]) => name as string);
    assert.deepEqual(documented.sort(), [...new Set(readByConfig)].sort());
  });
});

/** `*.store.ts` stands for files of that kind in any room. */
function exists(path: string): boolean {
  const [pattern, roots] = path.startsWith('*') ? [`**/${path}`, PATH_ROOTS.slice(1)] : [path, PATH_ROOTS];
  return roots.some((root) => globSync(pattern, { cwd: join(ROOT, root) }).length > 0);
}

/** What stands in backticks and looks like a path of the repository: a file by its ending, a folder by its slash. */
function namedPaths(text: string): string[] {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '');
  return [...prose.matchAll(/`([^`\s]+)`/g)]
    .map(([, token]) => token as string)
    .filter((token) => FILE.test(token) || FOLDER.test(token));
}

describe('the README', () => {
  it('issues, verifies and revokes as written', async (t) => {
    if (!haveProgram(t, 'curl')) return;
    await using place = await createPlace('sqlite');
    await using installation = await startInstallation(place);
    const output = await run('bash', ['-euo', 'pipefail', '-c', adapt(block('README.md', 'sh walk'), installation)]);
    const verdicts = [...output.matchAll(/"valid":(?:true|false),"code":"(\w+)"/g)].map(([, verdict]) => verdict);
    assert.deepEqual(verdicts, ['VALID', 'REVOKED'], output);
    assert.match(output, /"barrier":\{"sequence":\d+,"acknowledged":1,/);
  });

  it('decides in its own process as written', async () => {
    await using place = await createPlace('sqlite');
    await using installation = await startInstallation(place);
    const KEY = await issueKeyOfTheReadme(installation);
    const script = adapt(block('README.md', 'ts'), installation);
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '--eval', script];
    assert.equal(await run(process.execPath, args, { KEY }), 'VALID\n');
  });
});

/** The walk as written, but for where this test's installation listens and keeps its tokens. */
function adapt(script: string, { controlUrl, verifierUrl, config, verifierTokenFile }: TestInstallation): string {
  const replaced = [
    ['http://127.0.0.1:7070', controlUrl],
    ['http://127.0.0.1:7071', verifierUrl],
    ['data/bootstrap-token', join(config.dataFolder, 'bootstrap-token')],
    ['data/verifier-token', verifierTokenFile],
  ] as const;
  return replaced.reduce((text, [from, to]) => text.replaceAll(from, to), script);
}

async function issueKeyOfTheReadme(installation: TestInstallation): Promise<string> {
  const call = async (path: string, body: unknown) => (await installation.call('POST', path, body)).body;
  await call('/v1/projects', { slug: 'exchange', name: 'Exchange API' });
  await call('/v1/projects/exchange/environments', { name: 'live', prefix: 'exch_live' });
  const consumer = await call('/v1/consumers', { project: 'exchange', name: 'Trading bot' });
  const key = {
    project: 'exchange',
    environment: 'live',
    consumer: consumer.id,
    name: 'bot',
    permissions: ['prices:read'],
  };
  return (await call('/v1/keys', key)).secret;
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [output, errors] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0 ? resolve(output) : reject(new Error(`${command}: ${status}\n${output}${errors}`)),
    );
  });
}
