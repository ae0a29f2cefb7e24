import { needed, type Style, sideOf } from '../style.ts';

/** The style of Coinbase Exchange. */
export const coinbaseExchange: Style = {
  name: 'coinbase-exchange',
  routes: [
    {
      method: 'GET',
      path: '/accounts',
      permission: 'balances:read',
      answer: ({ balances }) =>
        [...balances].map(([currency, balance]) => ({
          id: currency,
          currency,
          balance,
          available: balance,
          hold: '0',
        })),
    },
    {
      method: 'POST',
      path: '/orders',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const symbol = needed(parameters, 'product_id');
        const side = sideOf(needed(parameters, 'side'));
        const [quantity, price] = [needed(parameters, 'size'), needed(parameters, 'price')];
        return { id: account.place({ symbol, side, quantity, price }).id, product_id: symbol, side, status: 'open' };
      },
    },
    {
      method: 'GET',
      path: '/orders',
      permission: 'orders:read',
      answer: ({ orders }) =>
        [...orders.values()].map(({ id, symbol, side, quantity, price }) => ({
          ...{ id, product_id: symbol, side, size: quantity, price, status: 'open', type: 'limit' },
        })),
    },
    {
      method: 'DELETE',
      path: '/orders/{id}',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const id = needed(parameters, 'id');
        return account.cancel(id) ? id : { message: 'order not found' };
      },
    },
    {
      method: 'POST',
      path: '/withdrawals/crypto',
      permission: 'funds:withdraw',
      destination: 'crypto_address',
      answer: (account, parameters) => {
        const [asset, amount] = [needed(parameters, 'currency'), needed(parameters, 'amount')];
        const address = needed(parameters, 'crypto_address');
        return { id: account.withdraw({ asset, amount, address }).id, amount, currency: asset };
      },
    },
  ],
};
