// Follows a whole chain in a process of its own, so that its memory can be bounded and measured: arguments are a SQLite
// file. Prints what it found.
import { openSqlite } from '../database/store.ts';
import { readHead } from '../ledger/head.ts';
import { verifyChain } from '../ledger/verify-chain.ts';

await using store = await openSqlite(process.argv[2] as string);
const head = await readHead(store.reader);
if (head === undefined) throw new Error('there is no ledger');
const fault = await verifyChain(store.reader, head);
console.log(JSON.stringify({ entries: head.sequence, fault, peakBytes: process.resourceUsage().maxRSS * 1_024 }));
