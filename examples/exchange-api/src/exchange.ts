/** A synthetic exchange: balances that everybody is given, orders that wait for ever, withdrawals that go nowhere. */

export interface Order {
  readonly id: string;
  readonly symbol: string;
  readonly side: 'buy' | 'sell';
  readonly quantity: string;
  readonly price: string;
}

export interface Withdrawal {
  readonly id: string;
  readonly asset: string;
  readonly amount: string;
  readonly address: string;
}

/** What one consumer has here. */
export class Account {
  readonly balances: ReadonlyMap<string, string> = new Map([
    ['BTC', '1.5'],
    ['USDT', '25000'],
  ]);
  readonly orders = new Map<string, Order>();
  readonly withdrawals: Withdrawal[] = [];
  #next = 1;

  place(order: Omit<Order, 'id'>): Order {
    const placed = { id: String(this.#next++), ...order };
    this.orders.set(placed.id, placed);
    return placed;
  }

  /** False where there is no such order. */
  cancel(id: string): boolean {
    return this.orders.delete(id);
  }

  withdraw(withdrawal: Omit<Withdrawal, 'id'>): Withdrawal {
    const made = { id: String(this.#next++), ...withdrawal };
    this.withdrawals.push(made);
    return made;
  }
}

/** Accounts by consumer, made when somebody first comes. */
export class Exchange {
  readonly #accounts = new Map<string, Account>();

  accountOf(consumer: string): Account {
    const account = this.#accounts.get(consumer) ?? new Account();
    this.#accounts.set(consumer, account);
    return account;
  }
}
