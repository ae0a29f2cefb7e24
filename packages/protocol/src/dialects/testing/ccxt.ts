import { binance, bybit, coinbase, coinbaseexchange, kraken, okx } from 'ccxt';
import type { DialectRefusal, ReceivedRequest } from '../dialect.ts';
import { asReceived } from '../signing-task.ts';
import { NOW_MS } from './requests.ts';

/** What we use of ccxt's exchanges; their own types name a parameter `any` and a result `Dictionary<any>`. */
interface CcxtExchange {
  milliseconds(): number;
  seconds(): number;
  sign(
    path: string,
    api: string | readonly string[],
    method: string,
    params?: object,
  ): { url: string; method: string; body?: string | undefined; headers?: Record<string, string> | undefined };
  handleRestResponse(response: object, url: string, method: string): Promise<unknown>;
}

const EXCHANGES = { binance, bybit, coinbase, coinbaseexchange, kraken, okx };
export type CcxtName = keyof typeof EXCHANGES;

/** The real class, without network, at a time of ours. */
export function ccxtExchange(name: CcxtName, credentials: object = {}): CcxtExchange {
  const exchange = new EXCHANGES[name](credentials) as unknown as CcxtExchange;
  exchange.milliseconds = () => NOW_MS;
  exchange.seconds = () => Math.floor(NOW_MS / 1000);
  return exchange;
}

/** What the class would send. */
export function ccxtRequest(
  exchange: CcxtExchange,
  path: string,
  api: string | readonly string[],
  method: string,
  params: object = {},
): ReceivedRequest {
  const { url, method: sent, body, headers } = exchange.sign(path, api, method, { ...params });
  return asReceived({
    method: sent,
    url,
    headers: Object.entries(headers ?? {}),
    body: Buffer.from(body ?? ''),
  });
}

/** Name of the exception that the class throws at this answer. */
export async function ccxtException(name: CcxtName, { status, body }: DialectRefusal): Promise<string> {
  const response = { status, statusText: '', headers: new Headers(), text: async () => body };
  try {
    await ccxtExchange(name).handleRestResponse(response, 'http://127.0.0.1:4000/any', 'GET');
    return 'none';
  } catch (error) {
    return (error as Error).constructor.name;
  }
}
