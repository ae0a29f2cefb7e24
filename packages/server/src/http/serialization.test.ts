import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { serializerCompiler, writerOf } from './serialization.ts';
import { validatorOf } from './validation.ts';

it('what every operation takes and answers can be compiled, though a start compiles none of it', () => {
  const operations = [...MANAGEMENT_OPERATIONS, ...VERIFIER_OPERATIONS];
  for (const { id, params, query, body, response } of operations) {
    for (const schema of [params, query, body]) {
      if (schema !== undefined) assert.doesNotThrow(() => validatorOf(schema), id);
    }
    assert.doesNotThrow(() => writerOf(response), id);
  }
  assert.ok(operations.length > 100);
});

it('a schema is compiled once, whoever has it, and lets nothing out that it does not name', () => {
  const schema = { type: 'object', properties: { shown: { type: 'string' } } };
  const route = { schema, method: 'GET', url: '/' };
  assert.equal(serializerCompiler(route)({ shown: 'a', secret: 'b' }), '{"shown":"a"}');
  assert.equal(writerOf(schema), writerOf(schema));
});
