import { describe } from 'node:test';
import { testRefusals } from '../testing/refusals.ts';
import { rfc9421 } from './rfc9421.ts';

describe('rfc9421', () => {
  testRefusals(rfc9421, { dialect: 'rfc9421' });
});
