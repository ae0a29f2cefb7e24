/** An acknowledged change as strace saw it. */
export interface TracedReply {
  /** `POST /v1/keys`, as far as the trace shows it. */
  readonly request: string;
  /** The write-ahead log was synced after the request came and after the last write to it, before the reply began. */
  readonly synced: boolean;
}

/** What strace is told: the calls that requests, replies, writes and syncs are made of, with the files' names. */
export const TRACE = [
  'strace',
  '-f',
  '-qq',
  '-y',
  '-s',
  '64',
  '-e',
  'trace=read,write,writev,pwrite64,fsync,fdatasync',
];

const LINE = /^(\d+) +(.*)$/;
const CALL = /^(\w+)\((\d+)<([^>]*)>(.*)$/;
const UNFINISHED = ' <unfinished ...>';
const RESUMED = /^<\.\.\. \w+ resumed>(.*)$/;
const CHANGE = /"((?:POST|PUT|PATCH|DELETE) [^ "]+)/;
const REQUEST = /"(?:GET|POST|PUT|PATCH|DELETE) /;

interface TracedCall {
  readonly name: string;
  readonly fd: string;
  readonly file: string;
  readonly rest: string;
}

/** Finds each 2xx reply to a change in a trace, and whether a sync came first. */
export function tracedReplies(trace: string): TracedReply[] {
  const replies: TracedReply[] = [];
  const requests = new Map<string, { readonly request: string | undefined; readonly at: number }>();
  let [writtenAt, syncedAt] = [-1, -1];
  for (const [at, { name, fd, file, rest }] of tracedCalls(trace).entries()) {
    const isLog = file.endsWith('keyhold.db-wal');
    if (name === 'pwrite64' && isLog) writtenAt = at;
    else if ((name === 'fsync' || name === 'fdatasync') && isLog && rest.endsWith('= 0')) syncedAt = at;
    else if (name === 'read' && REQUEST.test(rest)) requests.set(fd, { request: CHANGE.exec(rest)?.[1], at });
    else if (name.startsWith('write') && rest.includes('"HTTP/1.1 2')) {
      const asked = requests.get(fd);
      if (asked?.request === undefined) continue;
      replies.push({ request: asked.request, synced: syncedAt > asked.at && syncedAt > writtenAt });
    }
  }
  return replies;
}

/** Calls in order: of a reply counts its beginning, of everything else its end. */
function tracedCalls(trace: string): TracedCall[] {
  const calls: TracedCall[] = [];
  const unfinished = new Map<string, string>();
  const add = (text: string) => {
    const [, name, fd, file, rest] = CALL.exec(text) ?? [];
    if (name !== undefined) calls.push({ name, fd: fd as string, file: file as string, rest: rest as string });
  };
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = LINE.exec(line) ?? [];
    const resumed = RESUMED.exec(text)?.[1];
    if (resumed !== undefined) {
      const begun = unfinished.get(thread);
      unfinished.delete(thread);
      if (begun !== undefined) add(begun + resumed);
    } else if (!text.endsWith(UNFINISHED)) add(text);
    else if (/^writev?\(/.test(text)) add(text);
    else unfinished.set(thread, text.slice(0, -UNFINISHED.length));
  }
  return calls;
}
