import { needed, type Style, sideOf } from '../style.ts';

function result(value: object) {
  return { retCode: 0, retMsg: 'OK', result: value, retExtInfo: {}, time: 0 };
}

/** The style of Bybit's API v5. */
export const bybit: Style = {
  name: 'bybit',
  routes: [
    {
      method: 'GET',
      path: '/v5/account/wallet-balance',
      permission: 'balances:read',
      answer: ({ balances }) => {
        const coin = [...balances].map(([coin, walletBalance]) => ({ coin, walletBalance }));
        return result({ list: [{ accountType: 'UNIFIED', coin }] });
      },
    },
    {
      method: 'POST',
      path: '/v5/order/create',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const { id } = account.place({
          symbol: needed(parameters, 'symbol'),
          side: sideOf(needed(parameters, 'side')),
          quantity: needed(parameters, 'qty'),
          price: needed(parameters, 'price'),
        });
        return result({ orderId: id, orderLinkId: '' });
      },
    },
    {
      method: 'GET',
      path: '/v5/order/realtime',
      permission: 'orders:read',
      answer: ({ orders }) =>
        result({
          list: [...orders.values()].map(({ id, symbol, side, quantity, price }) => ({
            ...{ orderId: id, symbol, side: side === 'buy' ? 'Buy' : 'Sell', qty: quantity, price },
            ...{ orderStatus: 'New', orderType: 'Limit', cumExecQty: '0' },
          })),
        }),
    },
    {
      method: 'POST',
      path: '/v5/order/cancel',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const orderId = needed(parameters, 'orderId');
        account.cancel(orderId);
        return result({ orderId });
      },
    },
    {
      method: 'POST',
      path: '/v5/asset/withdraw/create',
      permission: 'funds:withdraw',
      destination: 'address',
      answer: (account, parameters) => {
        const [asset, amount] = [needed(parameters, 'coin'), needed(parameters, 'amount')];
        return result({ id: account.withdraw({ asset, amount, address: needed(parameters, 'address') }).id });
      },
    },
  ],
};
