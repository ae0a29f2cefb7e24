import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as operations from '@keyhold/protocol/operations/access';
import Fastify from 'fastify';
import { mount } from '../http/mount.ts';
import { PROBLEM_SCHEMA } from '../http/route-schema.ts';
import { NO_POLICIES } from './judge.ts';
import { refuseAsked } from './locate.ts';
import type { Principal } from './principal.ts';

describe('a route', () => {
  it('refuses whoever has what it declares nowhere, also where its handler forgets to ask', async () => {
    const app = Fastify().addSchema(PROBLEM_SCHEMA);
    const scopes = { reader: 'read', verifier: 'verify' } as const;
    let handled = 0;
    const gate = {
      authenticate: async (secret: string | null): Promise<Principal | null> => {
        if (secret !== 'reader' && secret !== 'verifier') return null;
        const grant = { opener: scopes[secret], projects: null, environment: null, expiresAt: null };
        return { id: secret, kind: 'service', grants: [grant], judge: NO_POLICIES } as unknown as Principal;
      },
      refuse: refuseAsked,
    };
    mount(app, gate, { ...operations.listTokens, asks: [{ action: 'secrets.read', at: 'environment' }] }, async () => {
      handled++;
      return { body: { items: [], nextCursor: null } };
    });
    const ask = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await app.inject({ method: 'GET', url: '/v1/tokens', headers })).statusCode;
    };
    assert.deepEqual([await ask('verifier'), await ask('reader'), await ask('nobody')], [403, 200, 401]);
    assert.equal(handled, 1);
    await app.close();
  });
});
