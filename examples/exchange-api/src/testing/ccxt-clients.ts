import { binance, bybit, coinbase, coinbaseexchange, kraken, okx } from 'ccxt';

/** What is about to leave the client. */
export interface Sent {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

const CLASSES = { binance, kraken, okx, bybit, coinbase, coinbaseexchange };
export type ClientName = keyof typeof CLASSES;

// biome-ignore lint/suspicious/noExplicitAny: ccxt makes its methods for an exchange's routes when it is constructed
type Ccxt = any;

/** What a trader does with one class. */
export interface Client {
  readonly kind: 'hmac' | 'public-key';
  /** What the dialect covers: a changed body or path is noticed. */
  readonly signsBody: boolean;
  readonly signsPath: boolean;
  readonly sendsPassphrase?: true;
  balances(ccxt: Ccxt): Promise<unknown>;
  /** Id of the order. */
  place(ccxt: Ccxt): Promise<unknown>;
  list(ccxt: Ccxt): Promise<unknown[]>;
  cancel(ccxt: Ccxt, id: string): Promise<unknown>;
  withdraw(ccxt: Ccxt, address: string): Promise<unknown>;
  /** The same order, sent to another route of the style that takes the same permission. */
  otherPath(sent: Sent): Sent;
}

const HOST = 'https://exchange.example';

/** The class with its URLs changed; what stands between it and the server ends TLS, as a load balancer would. */
export function withUrl(
  name: ClientName,
  url: string,
  credentials: object,
  tamper: (sent: Sent) => Sent = (sent) => sent,
): Ccxt {
  const ccxt: Ccxt = new CLASSES[name]({ ...credentials, enableRateLimit: false });
  const moved = (of: unknown): unknown => {
    if (typeof of === 'string') return of.replace(/^https:\/\/[^/]+/, HOST);
    return Object.fromEntries(Object.entries(of as object).map(([key, value]) => [key, moved(value)]));
  };
  ccxt.urls.api = moved(ccxt.urls.api);
  ccxt.fetchImplementation = (to: string, { method, headers, body }: Sent) => {
    const sent = tamper({ url: to, method, headers: { ...headers }, body });
    return fetch(sent.url.replace(HOST, url), {
      method: sent.method,
      headers: sent.headers,
      ...(sent.body === undefined ? {} : { body: sent.body }),
    });
  };
  return ccxt;
}

let requests = 0;

const to = (path: string) => (sent: Sent) => ({ ...sent, url: sent.url.replace(/(?<=\.example)[^?]*/, path) });

export const CLIENTS: Readonly<Record<ClientName, Client>> = {
  binance: {
    kind: 'hmac',
    signsBody: true,
    signsPath: false,
    balances: (ccxt) => ccxt.privateGetAccount(),
    place: async (ccxt) => {
      const order = { symbol: 'BTCUSDT', side: 'BUY', type: 'LIMIT', quantity: '1', price: '100' };
      return (await ccxt.privatePostOrder(order)).orderId;
    },
    list: async (ccxt) => (await ccxt.privateGetOpenOrders()).map((order: { orderId: unknown }) => order.orderId),
    cancel: (ccxt, orderId) => ccxt.privateDeleteOrder({ symbol: 'BTCUSDT', orderId }),
    withdraw: async (ccxt, address) =>
      (await ccxt.sapiPostCapitalWithdrawApply({ coin: 'BTC', amount: '0.1', address })).id,
    // Of another style on the same host, since its own has no such route.
    otherPath: to('/v5/order/cancel'),
  },
  kraken: {
    kind: 'hmac',
    signsBody: true,
    signsPath: true,
    balances: (ccxt) => ccxt.privatePostBalance(),
    place: async (ccxt) => {
      const order = { pair: 'XBTUSDT', type: 'buy', ordertype: 'limit', volume: '1', price: '100' };
      return (await ccxt.privatePostAddOrder(order)).result.txid[0];
    },
    list: async (ccxt) => Object.keys((await ccxt.privatePostOpenOrders()).result.open),
    cancel: (ccxt, txid) => ccxt.privatePostCancelOrder({ txid }),
    withdraw: async (ccxt, address) =>
      (await ccxt.privatePostWithdraw({ asset: 'XBT', key: 'book', amount: '0.1', address })).result.refid,
    otherPath: to('/0/private/CancelOrder'),
  },
  okx: {
    kind: 'hmac',
    sendsPassphrase: true,
    signsBody: true,
    signsPath: true,
    balances: (ccxt) => ccxt.privateGetAccountBalance(),
    place: async (ccxt) => {
      const order = { instId: 'BTC-USDT', tdMode: 'cash', side: 'buy', ordType: 'limit', sz: '1', px: '100' };
      return (await ccxt.privatePostTradeOrder(order)).data[0].ordId;
    },
    list: async (ccxt) =>
      (await ccxt.privateGetTradeOrdersPending()).data.map((order: { ordId: unknown }) => order.ordId),
    cancel: (ccxt, ordId) => ccxt.privatePostTradeCancelOrder({ instId: 'BTC-USDT', ordId }),
    withdraw: async (ccxt, toAddr) =>
      (await ccxt.privatePostAssetWithdrawal({ ccy: 'BTC', amt: '0.1', dest: '4', toAddr })).data[0].wdId,
    otherPath: to('/api/v5/trade/cancel-order'),
  },
  bybit: {
    kind: 'hmac',
    signsBody: true,
    signsPath: false,
    balances: (ccxt) => ccxt.privateGetV5AccountWalletBalance({ accountType: 'UNIFIED' }),
    place: async (ccxt) => {
      const order = { category: 'spot', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Limit', qty: '1', price: '100' };
      return (await ccxt.privatePostV5OrderCreate(order)).result.orderId;
    },
    list: async (ccxt) =>
      (await ccxt.privateGetV5OrderRealtime({ category: 'spot' })).result.list.map(
        (order: { orderId: unknown }) => order.orderId,
      ),
    cancel: (ccxt, orderId) => ccxt.privatePostV5OrderCancel({ category: 'spot', symbol: 'BTCUSDT', orderId }),
    withdraw: async (ccxt, address) =>
      (await ccxt.privatePostV5AssetWithdrawCreate({ coin: 'BTC', amount: '0.1', address })).result.id,
    otherPath: to('/v5/order/cancel'),
  },
  coinbase: {
    kind: 'public-key',
    // A token names method, host and path, and nothing of the body: whoever carries it could change that.
    signsBody: false,
    signsPath: true,
    balances: (ccxt) => ccxt.v3PrivateGetBrokerageAccounts(),
    place: async (ccxt) => {
      const order_configuration = { limit_limit_gtc: { base_size: '1', limit_price: '100' } };
      const order = { client_order_id: '1', product_id: 'BTC-USD', side: 'BUY', order_configuration };
      return (await ccxt.v3PrivatePostBrokerageOrders(order)).success_response.order_id;
    },
    list: async (ccxt) =>
      (await ccxt.v3PrivateGetBrokerageOrdersHistoricalBatch()).orders.map(
        (order: { order_id: unknown }) => order.order_id,
      ),
    cancel: (ccxt, id) => ccxt.v3PrivatePostBrokerageOrdersBatchCancel({ order_ids: [id] }),
    withdraw: async (ccxt, address) =>
      (
        await ccxt.v2PrivatePostAccountsAccountIdTransactions({
          ...{ account_id: 'BTC', type: 'send', to: address, amount: '0.1', currency: 'BTC' },
        })
      ).data.id,
    otherPath: to('/api/v3/brokerage/orders/batch_cancel'),
  },
  coinbaseexchange: {
    kind: 'hmac',
    sendsPassphrase: true,
    signsBody: true,
    signsPath: true,
    balances: (ccxt) => ccxt.privateGetAccounts(),
    place: async (ccxt) => {
      const client_oid = String(++requests);
      const order = { product_id: 'BTC-USD', side: 'buy', type: 'limit', size: '1', price: '100', client_oid };
      return (await ccxt.privatePostOrders(order)).id;
    },
    // Its time is of whole seconds, so two equal requests of one second are one that was sent twice.
    list: async (ccxt) =>
      (await ccxt.privateGetOrders({ limit: ++requests })).map((order: { id: unknown }) => order.id),
    cancel: (ccxt, id) => ccxt.privateDeleteOrdersId({ id }),
    withdraw: async (ccxt, crypto_address) =>
      (await ccxt.privatePostWithdrawalsCrypto({ currency: 'BTC', amount: '0.1', crypto_address })).id,
    otherPath: to('/withdrawals/crypto'),
  },
};
