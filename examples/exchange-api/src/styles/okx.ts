import { needed, type Style, sideOf } from '../style.ts';

function data(rows: readonly object[]) {
  return { code: '0', msg: '', data: rows };
}

/** The style of OKX's API v5. */
export const okx: Style = {
  name: 'okx',
  routes: [
    {
      method: 'GET',
      path: '/api/v5/account/balance',
      permission: 'balances:read',
      answer: ({ balances }) =>
        data([{ details: [...balances].map(([ccy, cashBal]) => ({ ccy, cashBal, eq: cashBal, availBal: cashBal })) }]),
    },
    {
      method: 'POST',
      path: '/api/v5/trade/order',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const { id } = account.place({
          symbol: needed(parameters, 'instId'),
          side: sideOf(needed(parameters, 'side')),
          quantity: needed(parameters, 'sz'),
          price: needed(parameters, 'px'),
        });
        return data([{ ordId: id, clOrdId: '', tag: '', sCode: '0', sMsg: '' }]);
      },
    },
    {
      method: 'GET',
      path: '/api/v5/trade/orders-pending',
      permission: 'orders:read',
      answer: ({ orders }) =>
        data(
          [...orders.values()].map(({ id, symbol, side, quantity, price }) => ({
            ...{ ordId: id, instId: symbol, instType: 'SPOT', side, sz: quantity, px: price },
            ...{ state: 'live', ordType: 'limit', accFillSz: '0' },
          })),
        ),
    },
    {
      method: 'POST',
      path: '/api/v5/trade/cancel-order',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const ordId = needed(parameters, 'ordId');
        return data([{ ordId, sCode: account.cancel(ordId) ? '0' : '51400', sMsg: '' }]);
      },
    },
    {
      method: 'POST',
      path: '/api/v5/asset/withdrawal',
      permission: 'funds:withdraw',
      destination: 'toAddr',
      answer: (account, parameters) => {
        const [asset, amount] = [needed(parameters, 'ccy'), needed(parameters, 'amt')];
        const { id } = account.withdraw({ asset, amount, address: needed(parameters, 'toAddr') });
        return data([{ wdId: id, ccy: asset, amt: amount }]);
      },
    },
  ],
};
