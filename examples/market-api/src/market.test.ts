import assert from 'node:assert/strict';
import { it } from 'node:test';
import { candlesUntil, isSymbol, priceAt } from './market.ts';

it('has the same price for the same symbol and moment, and none for what is no symbol', () => {
  assert.equal(isSymbol('BTC-USD'), true);
  assert.equal(isSymbol('btc/usd'), false);
  const at = Date.UTC(2026, 0, 1);
  assert.equal(priceAt('BTC-USD', at), priceAt('BTC-USD', at));
  assert.ok(priceAt('BTC-USD', at) > 0);
});

it('makes candles that hold together: oldest first, low ≤ open, close ≤ high', () => {
  const candles = candlesUntil('ETH-USD', Date.UTC(2026, 0, 1, 12, 34, 56), 20);
  assert.equal(candles.length, 20);
  for (const { low, high, open, close } of candles)
    assert.ok(low <= Math.min(open, close) && high >= Math.max(open, close));
  assert.deepEqual(
    candles.map(({ openedAt }) => openedAt).toSorted(),
    candles.map(({ openedAt }) => openedAt),
  );
});
