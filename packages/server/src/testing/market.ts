import type { TestInstallation } from './installation.ts';

/** A project with one environment and one consumer, for tests that need somewhere to issue keys. */
export interface TestMarket {
  readonly environmentId: string;
  readonly consumer: string;
  issue(settings?: Record<string, unknown>): Promise<{ keyId: string; credentialId: string; secret: string }>;
}

export async function createMarket(
  installation: TestInstallation,
  environment: Record<string, unknown> = {},
): Promise<TestMarket> {
  await expect(installation.call('POST', '/v1/projects', { slug: 'market', name: 'Market' }), 201);
  const created = await expect(
    installation.call('POST', '/v1/projects/market/environments', { name: 'test', prefix: 'mkt_test', ...environment }),
    201,
  );
  const consumer = await expect(installation.call('POST', '/v1/consumers', { project: 'market', name: 'bot' }), 201);
  return {
    environmentId: created.id,
    consumer: consumer.id,
    issue: async (settings = {}) => {
      const issued = await expect(
        installation.call('POST', '/v1/keys', {
          project: 'market',
          environment: 'test',
          consumer: consumer.id,
          name: 'key',
          permissions: ['prices:read'],
          ...settings,
        }),
        201,
      );
      return { keyId: issued.key.id, credentialId: issued.credential.id, secret: issued.secret };
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
async function expect(answer: Promise<{ status: number; body: any }>, status: number): Promise<any> {
  const { status: actual, body } = await answer;
  if (actual !== status) throw new Error(`expected ${status}, got ${actual}: ${JSON.stringify(body)}`);
  return body;
}
