import type { Order } from '../exchange.ts';
import { needed, type Style, sideOf } from '../style.ts';

function shown({ id, symbol, side, quantity, price }: Order) {
  const common = { symbol, orderId: Number(id), clientOrderId: id, price, origQty: quantity, executedQty: '0' };
  return { ...common, status: 'NEW', type: 'LIMIT', side: side.toUpperCase(), timeInForce: 'GTC' };
}

/** The style of Binance's spot API. */
export const binance: Style = {
  name: 'binance',
  routes: [
    {
      method: 'GET',
      path: '/api/v3/account',
      permission: 'balances:read',
      answer: ({ balances }) => ({ balances: [...balances].map(([asset, free]) => ({ asset, free, locked: '0' })) }),
    },
    {
      method: 'POST',
      path: '/api/v3/order',
      permission: 'orders:write',
      answer: (account, parameters) =>
        shown(
          account.place({
            symbol: needed(parameters, 'symbol'),
            side: sideOf(needed(parameters, 'side')),
            quantity: needed(parameters, 'quantity'),
            price: needed(parameters, 'price'),
          }),
        ),
    },
    {
      method: 'GET',
      path: '/api/v3/openOrders',
      permission: 'orders:read',
      answer: ({ orders }) => [...orders.values()].map(shown),
    },
    {
      method: 'DELETE',
      path: '/api/v3/order',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const orderId = needed(parameters, 'orderId');
        return account.cancel(orderId) ? { orderId: Number(orderId), status: 'CANCELED' } : { code: -2011 };
      },
    },
    {
      method: 'POST',
      path: '/sapi/v1/capital/withdraw/apply',
      permission: 'funds:withdraw',
      destination: 'address',
      answer: (account, parameters) => {
        const asset = needed(parameters, 'coin');
        const [amount, address] = [needed(parameters, 'amount'), needed(parameters, 'address')];
        return { id: account.withdraw({ asset, amount, address }).id };
      },
    },
  ],
};
