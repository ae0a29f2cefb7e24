import assert from 'node:assert/strict';
import { it } from 'node:test';
import { readBoolean } from './boolean.ts';

it('a truth is read as Vault reads it, and nothing else is one', () => {
  for (const value of [true, 1, '1', 't', 'T', 'true', 'TRUE', 'True']) assert.equal(readBoolean(value), true);
  for (const value of [false, 0, '0', 'f', 'F', 'false', 'FALSE', 'False', '']) assert.equal(readBoolean(value), false);
  for (const value of [undefined, null, 2, -1, 0.5, 'yes', 'tRUE', ' true', 'nonsense', [], {}, [true]]) {
    assert.equal(readBoolean(value), null, JSON.stringify(value));
  }
});
