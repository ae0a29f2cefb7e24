// See `audit/durable.ts`.
import { measureDurable } from './audit/durable.ts';

await measureDurable(256);
