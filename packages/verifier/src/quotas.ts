import type { QuotaPeriod } from '@keyhold/protocol/state';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Start of the UTC period that contains `wallMs`, epoch milliseconds. */
export function periodStart(period: QuotaPeriod, wallMs: number): number {
  switch (period) {
    case 'minute':
      return wallMs - (wallMs % MINUTE_MS);
    case 'hour':
      return wallMs - (wallMs % HOUR_MS);
    case 'day':
      return wallMs - (wallMs % DAY_MS);
    case 'month': {
      const at = new Date(wallMs);
      return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
    }
  }
}

/** Start of the period after the one that contains `wallMs`. */
export function periodEnd(period: QuotaPeriod, wallMs: number): number {
  switch (period) {
    case 'minute':
      return periodStart(period, wallMs) + MINUTE_MS;
    case 'hour':
      return periodStart(period, wallMs) + HOUR_MS;
    case 'day':
      return periodStart(period, wallMs) + DAY_MS;
    case 'month': {
      const at = new Date(wallMs);
      return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
    }
  }
}
