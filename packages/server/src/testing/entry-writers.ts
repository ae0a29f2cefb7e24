import { openSync, writeSync } from 'node:fs';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { Ledger } from '../ledger/ledger.ts';
import { systemRandom } from '../random.ts';

/**
 * Loaded before the server's entry by tests that need a long log: writes entries through the shipped ledger, as many
 * at a time as one commit takes, until the log has `until` of them. Each that was acknowledged is a line in `file`,
 * `sequence subject`, which outlives the process. Begins with the first change that anybody makes.
 */
const settings = new URL(import.meta.url).searchParams;
const UNTIL = Number(settings.get('until'));
const WRITERS = Number(settings.get('writers') ?? 256);
const FILE = settings.get('file') as string;

const change = settings.get('rows') === 'fresh' ? insertRow : async () => null;

/** A consumer of a project that is there from the start. */
async function insertRow(facts: Facts): Promise<null> {
  project ??= (await facts.db.selectFrom('projects').select('id').executeTakeFirstOrThrow()).id;
  const id = systemRandom.newId('consumer');
  const own = { external_id: null, rate_limits: '[]', metadata: null, created_at: 0 };
  await facts.insert('consumers', { ...own, id, project_id: project, name: id });
  return null;
}
let project: string | undefined;

const record = Ledger.prototype.record;
let begun = false;
Ledger.prototype.record = function (this: Ledger, draft: EntryDraft, change: Parameters<typeof record>[1]) {
  if (!begun) {
    begun = true;
    write(this);
  }
  return record.call(this, draft, change);
} as typeof record;

function write(ledger: Ledger): void {
  const file = openSync(FILE, 'a');
  let lines = '';
  const note = (sequence: number, subject: string) => {
    if (lines === '') {
      setImmediate(() => {
        writeSync(file, lines);
        lines = '';
      });
    }
    lines += `${sequence} ${subject}\n`;
  };
  let count = 0;
  const writer = async () => {
    while (ledger.head.sequence < UNTIL) {
      const subject = `subject_${process.pid}_${count++}`;
      const draft = { actor: 'system', action: 'subject.used', subject, evenWithoutChange: true } as const;
      // A commit that failed is one of the things that may happen here; nothing is noted then.
      const recorded = await record
        .call(ledger, count % 4 === 0 ? { ...draft, side: { note: subject } } : draft, change)
        .catch(() => null);
      if (recorded !== null && 'sequence' in recorded) note(recorded.sequence, subject);
    }
  };
  for (let i = 0; i < WRITERS; i++) void writer();
}
