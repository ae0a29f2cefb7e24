import { needed, type Route, type Style, sideOf } from '../style.ts';

function post(name: string, permission: string, result: Route['answer']): Route {
  return {
    method: 'POST',
    path: `/0/private/${name}`,
    permission,
    answer: (account, parameters) => ({ error: [], result: result(account, parameters) }),
  };
}

/** The style of Kraken's spot API: everything is a POST, and answers say so when they are errors. */
export const kraken: Style = {
  name: 'kraken',
  routes: [
    post('Balance', 'balances:read', ({ balances }) => Object.fromEntries(balances)),
    post('AddOrder', 'orders:write', (account, parameters) => {
      const order = account.place({
        symbol: needed(parameters, 'pair'),
        side: sideOf(needed(parameters, 'type')),
        quantity: needed(parameters, 'volume'),
        price: needed(parameters, 'price'),
      });
      const { side, quantity, symbol, price } = order;
      return { descr: { order: `${side} ${quantity} ${symbol} @ limit ${price}` }, txid: [order.id] };
    }),
    post('OpenOrders', 'orders:read', ({ orders }) => ({
      open: Object.fromEntries(
        [...orders.values()].map(({ id, symbol, side, quantity, price }) => [
          id,
          {
            status: 'open',
            vol: quantity,
            vol_exec: '0',
            descr: { pair: symbol, type: side, ordertype: 'limit', price },
          },
        ]),
      ),
    })),
    post('CancelOrder', 'orders:write', (account, parameters) => ({
      count: account.cancel(needed(parameters, 'txid')) ? 1 : 0,
    })),
    {
      ...post('Withdraw', 'funds:withdraw', (account, parameters) => {
        const asset = needed(parameters, 'asset');
        const [amount, address] = [needed(parameters, 'amount'), needed(parameters, 'address')];
        return { refid: account.withdraw({ asset, amount, address }).id };
      }),
      destination: 'address',
    },
  ],
};
