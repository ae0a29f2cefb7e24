import { BadParameter, needed, type Parameters, type Style, sideOf } from '../style.ts';

/** `order_configuration` of a limit order that waits. */
function limitOf(parameters: Parameters): { quantity: string; price: string } {
  const configuration = JSON.parse(needed(parameters, 'order_configuration')) as {
    limit_limit_gtc?: { base_size?: string; limit_price?: string };
  };
  const { base_size: quantity, limit_price: price } = configuration.limit_limit_gtc ?? {};
  if (quantity === undefined || price === undefined) throw new BadParameter('order_configuration');
  return { quantity, price };
}

/** The style of Coinbase's Advanced Trade API, whose keys are those of its developer platform. */
export const coinbase: Style = {
  name: 'coinbase-cdp',
  routes: [
    {
      method: 'GET',
      path: '/api/v3/brokerage/accounts',
      permission: 'balances:read',
      answer: ({ balances }) => ({
        accounts: [...balances].map(([currency, value]) => ({
          ...{ uuid: currency, name: currency, currency, active: true },
          available_balance: { value, currency },
        })),
      }),
    },
    {
      method: 'POST',
      path: '/api/v3/brokerage/orders',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const symbol = needed(parameters, 'product_id');
        const side = sideOf(needed(parameters, 'side'));
        const { id } = account.place({ symbol, side, ...limitOf(parameters) });
        return { success: true, success_response: { order_id: id, product_id: symbol, side: side.toUpperCase() } };
      },
    },
    {
      method: 'GET',
      path: '/api/v3/brokerage/orders/historical/batch',
      permission: 'orders:read',
      answer: ({ orders }) => ({
        orders: [...orders.values()].map(({ id, symbol, side }) => ({
          ...{ order_id: id, product_id: symbol, side: side.toUpperCase(), status: 'OPEN' },
        })),
      }),
    },
    {
      method: 'POST',
      path: '/api/v3/brokerage/orders/batch_cancel',
      permission: 'orders:write',
      answer: (account, parameters) => {
        const ids = JSON.parse(needed(parameters, 'order_ids')) as string[];
        return { results: ids.map((id) => ({ success: account.cancel(id), order_id: id })) };
      },
    },
    {
      method: 'POST',
      path: '/v2/accounts/{account}/transactions',
      permission: 'funds:withdraw',
      destination: 'to',
      answer: (account, parameters) => {
        const [asset, amount] = [needed(parameters, 'currency'), needed(parameters, 'amount')];
        const { id } = account.withdraw({ asset, amount, address: needed(parameters, 'to') });
        return { data: { id, type: 'send', status: 'pending', amount: { amount: `-${amount}`, currency: asset } } };
      },
    },
  ],
};
