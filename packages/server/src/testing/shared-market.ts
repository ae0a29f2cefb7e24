import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Config } from '../config.ts';
import type { TestPlace } from './databases.ts';
import { type CallOptions, startInstallation, type TestAnswer, type TestInstallation } from './installation.ts';
import { createMarket, type TestMarket } from './market.ts';

/** One installation with a market, started once for a whole suite. */
export interface SharedMarket {
  readonly place: TestPlace;
  readonly installation: TestInstallation;
  readonly market: TestMarket;
  /** Calls the control plane and fails unless it answers with that status; resolves to the body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  expect(status: number, method: string, path: string, body?: unknown, options?: CallOptions): Promise<any>;
  /** The code of the verdict on a secret of the market. */
  codeOf(secret: string, request?: Record<string, unknown>): Promise<string>;
}

/** Starts it before the suite and stops it afterwards. Call the result inside tests only. */
export function shareMarket(
  createPlace: () => Promise<TestPlace>,
  environment: Record<string, unknown> = {},
  config: Partial<Config> = {},
): () => SharedMarket {
  const stack = new AsyncDisposableStack();
  let shared: SharedMarket | undefined;
  before(async () => {
    const place = stack.use(await createPlace());
    const installation = stack.use(await startInstallation(place, config));
    shared = assemble(place, installation, await createMarket(installation, environment));
  });
  after(() => stack.disposeAsync());
  return () => {
    assert.ok(shared, 'the installation did not start');
    return shared;
  };
}

function assemble(place: TestPlace, installation: TestInstallation, market: TestMarket): SharedMarket {
  return {
    place,
    installation,
    market,
    expect: async (status, method, path, body, options) =>
      assertStatus(await installation.call(method, path, body, options), status),
    codeOf: async (secret, request = {}) => {
      const verdict = await installation.verify({ key: secret, environment: 'market/test', ...request });
      assert.equal(verdict.valid, verdict.code === 'VALID');
      return verdict.code;
    },
  };
}

/** Fails with the whole answer, so that a wrong status says why; resolves to the body. */
export function assertStatus(answer: TestAnswer, status: number): TestAnswer['body'] {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  return answer.body;
}
