import { hash } from 'node:crypto';
import { type Answered, type LimitState, TAKEN_CODES, type TakeRequest } from './shared-store.ts';

/**
 * What runs inside Redis. One script call is one step: nothing comes between its reads and its writes.
 *
 * What is remembered of one owner lies in one of {@link PARTS} parts, `prefix:{part}:…`, and a part in one slot of a
 * cluster. Each part has
 * - `memory`, a marker that lives and dies with what the part remembers: `reign`, of which server process, and of which
 *   turn as primary, the memory is; `since`, when nothing was forgotten any more, epoch milliseconds; `latest`, the
 *   latest time seen, to the second, by which a clock set back is noticed;
 * - `ends`, a sorted set: nonces and second factors that were used, by when they stop being good, and when each of the
 *   counts may be forgotten;
 * - `counts`, a hash: limits and quotas;
 * - `rising:…`, the highest number of a credential, for good.
 *
 * INVARIANT: no key has an end by Redis' own clock. It would be gone when that clock went forth and back, whether a
 * script ran meanwhile or not. What is over is forgotten by scripts alone, up to a time that the marker knows of.
 */

/** Parts that owners are spread over; a number for good, for another one would lose what is remembered. */
export const PARTS = 64;

/** Of the above, in a reign's name: verifiers that lay it out in another way share no memory, and each begins anew. */
export const LAYOUT = 2;

/** A script by its SHA-1, which is what EVALSHA wants. */
export interface Script {
  readonly text: string;
  readonly sha1: string;
}

function script(text: string): Script {
  return { text, sha1: hash('sha1', text, 'hex') };
}

/** Answer of {@link takeScript} when the marker is missing or of another reign, or the clock was set back. */
const UNBOUND = -1;

/** Redis' own clock, so that verifiers' clocks don't matter. */
const REDIS_TIME = "local time = redis.call('TIME')\nlocal sec, usec = tonumber(time[1]), tonumber(time[2])";

const NONCE = `
local function pad(digits) return string.rep('0', 20 - #digits) .. digits end

-- Unsigned 64 bits are compared as text of 20 digits: as numbers they would be rounded to 53 bits.
local function readsAsTime(value, afterMs, untilMs)
  local digits = string.gsub(value, '^0+', '')
  local zeros = ({ [13] = '', [16] = '000', [19] = '000000' })[#digits]
  if not zeros then return false end
  local after = pad(string.format('%d', math.ceil(afterMs)) .. zeros)
  local last = pad(string.format('%d', math.floor(untilMs)) .. zeros)
  return value > after and value <= last
end

local function judgeOnce(id, signedAt, untilMs, ahead)
  if untilMs < nowMs or signedAt < startedAt + ahead then return TOO_OLD end
  local keptUntil = redis.call('ZSCORE', ENDS, id)
  if keptUntil and tonumber(keptUntil) >= over then return REPLAYED end
  return VALID
end

-- A stored number is "value:written". Written before startedAt, a higher one may have been accepted and forgotten.
local function judgeRising(key, value, createdAt, ahead)
  local stored = redis.call('GET', key)
  if stored and value <= string.sub(stored, 1, 20) then return REPLAYED end
  local written = stored and tonumber(string.sub(stored, 22))
  -- One that was written later than now tells nothing: the clock was ahead, and what it says was remembered may be gone.
  local remembered = written and written >= startedAt and written <= nowMs + 1000
  if remembered or createdAt > startedAt + ahead then return VALID end
  if readsAsTime(value, startedAt + ahead, nowMs + ahead) then return VALID end
  return UNKNOWN_NONCE
end
`;

/** Forgets some of what is over, always more than a call can add: what is remembered is bounded by what is in use. */
const FORGET = `
-- "ahead:sec:usec", see below.
local function readLimit(stored)
  local ahead, writtenSec, writtenUsec = string.match(stored, '^(%S+):(%d+):(%d+)$')
  return tonumber(ahead), tonumber(writtenSec), tonumber(writtenUsec)
end

-- A limit's place in "ends" is from when it was new; since then it may have been taken from.
local function limitEnd(stored)
  local ahead, writtenSec, writtenUsec = readLimit(stored)
  return writtenSec * 1000 + writtenUsec / 1000 + ahead
end

local function forget(most)
  local due = redis.call('ZRANGEBYSCORE', ENDS, '-inf', '(' .. string.format('%d', over), 'LIMIT', 0, most)
  local gone, later = {}, {}
  for _, id in ipairs(due) do
    local stored = string.sub(id, 1, 6) == 'limit:' and redis.call('HGET', COUNTS, id)
    local endsAt = stored and limitEnd(stored) or 0
    if endsAt < over then gone[#gone + 1] = id else later[#later + 1], later[#later + 2] = endsAt, id end
  end
  -- INVARIANT: what frees memory comes before anything that takes some. A Redis that is full refuses the latter, and ends
  -- a script that begins with it.
  if #gone > 0 then
    redis.call('ZREM', ENDS, unpack(gone))
    redis.call('HDEL', COUNTS, unpack(gone))
  end
  if #later > 0 then redis.call('ZADD', ENDS, unpack(later)) end
end
`;

const TAKE = `
local VALID, FACTOR_SPENT, REPLAYED, TOO_OLD, UNKNOWN_NONCE, RATE_LIMITED, QUOTA_EXCEEDED = 0, 1, 2, 3, 4, 5, 6
local MEMORY, ENDS, COUNTS, RISING = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local nowMs = sec * 1000 + usec / 1000
local marker = redis.call('HMGET', MEMORY, 'reign', 'since', 'latest')
local latest = tonumber(marker[3])
if marker[1] ~= ARGV[1] or nowMs < latest - 1000 then return { ${UNBOUND} } end
local isLater = nowMs >= latest + 1000
if isLater then latest = math.floor(nowMs) end
local startedAt = tonumber(marker[2])
-- What ended before is over by every clock that is not found to have been set back.
local over = latest - 1000
${FORGET}${NONCE}
local cost, kind, hasQuota = tonumber(ARGV[2]), string.sub(ARGV[3], 1, 1), string.sub(ARGV[3], 2, 2) == 'q'
local hasFactor, limitCount = string.sub(ARGV[3], 3, 3) == 'f', tonumber(string.sub(ARGV[3], 4))
forget(2 * (limitCount + 3))
if isLater then redis.call('HSET', MEMORY, 'latest', string.format('%d', latest)) end
local arg = 4
local code = VALID
-- To be written where the request passes: pairs of an end and an id, and of an id and a count.
local ends, counts = {}, {}
local function add(list, first, second) list[#list + 1], list[#list + 2] = first, second end

if kind == 'o' then
  code = judgeOnce(ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
  add(ends, ARGV[8], ARGV[4])
  arg = 9
elseif kind == 'r' then
  code = judgeRising(RISING, ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
  arg = 7
end
if hasFactor then
  local id, untilMs = ARGV[arg], ARGV[arg + 2]
  local spent = judgeOnce(id, tonumber(ARGV[arg + 1]), tonumber(untilMs), tonumber(ARGV[arg + 3])) ~= VALID
  if spent and code ~= TOO_OLD then code = FACTOR_SPENT end
  add(ends, untilMs, id)
  arg = arg + 4
end
if code ~= VALID then return { code, startedAt, nowMs, -1 } end

local ids = {}
for i = 1, limitCount do ids[i] = ARGV[arg + (i - 1) * 3] end
if hasQuota then ids[limitCount + 1] = ARGV[arg + limitCount * 3] end
local known = #ids > 0 and redis.call('HMGET', COUNTS, unpack(ids))

-- GCRA with burst = limit, as limits.ts has it. Its arrival time is kept as how far ahead of the moment of writing it
-- was, "ahead:sec:usec": small numbers, which a double adds up without rounding units away.
local function aheadNow(stored)
  if not stored then return 0 end
  local ahead, writtenSec, writtenUsec = readLimit(stored)
  local elapsed = (sec - writtenSec) * 1000 + (usec - writtenUsec) / 1000
  ahead = math.max(0, ahead - elapsed)
  return ahead
end

-- Never above a window, unless the clock was set back or the window made shorter: wait a window at most, from the first
-- look at it on, which is noted.
local function withinWindow(id, ahead, window)
  if ahead <= window + 1 then return ahead end
  redis.call('HSET', COUNTS, id, string.format('%.17g:%d:%d', window, sec, usec))
  return window
end

local limits = {}
for i = 1, limitCount do
  local window, limit = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local ahead = withinWindow(ids[i], aheadNow(known[i]), window)
  local after = ahead + (cost * window) / limit
  local slack = math.min(0.001, window / limit / 1000)
  local excess = after - window
  if excess > 0 then excess = excess - slack end
  if excess > 0 then code = RATE_LIMITED end
  if after > 0 then
    add(counts, ids[i], string.format('%.17g:%d:%d', after, sec, usec))
    if not known[i] then add(ends, nowMs + after, ids[i]) end
  end
  limits[i] = { window = window, limit = limit, ahead = ahead, after = after, slack = slack, excess = excess }
  arg = arg + 3
end

local used = -1
if hasQuota then
  local id, stored = ARGV[arg], known[limitCount + 1]
  used = math.max(tonumber(stored or 0), tonumber(ARGV[arg + 2]))
  if code == VALID and used + cost > tonumber(ARGV[arg + 1]) then code = QUOTA_EXCEEDED end
  if code == VALID then
    used = used + cost
    add(counts, id, string.format('%d', used))
    -- An hour longer than its period, for verifiers whose clocks are behind.
    if not stored then add(ends, math.max(tonumber(ARGV[arg + 3]), nowMs) + 3600000, id) end
  end
end

if code == VALID then
  if kind == 'r' then redis.call('SET', RISING, ARGV[4] .. ':' .. string.format('%d', nowMs)) end
  for _, one in ipairs(limits) do one.ahead = one.after end
  if #counts > 0 then redis.call('HSET', COUNTS, unpack(counts)) end
  if #ends > 0 then redis.call('ZADD', ENDS, unpack(ends)) end
end

local answer = { code, startedAt, nowMs, used }
for _, one in ipairs(limits) do
  local left = one.window - one.ahead + one.slack
  answer[#answer + 1] = math.max(0, math.floor((left * one.limit) / one.window))
  answer[#answer + 1] = math.ceil(one.ahead)
  answer[#answer + 1] = code == RATE_LIMITED and math.max(0, math.ceil(one.excess)) or 0
end
return answer
`;

/** @param time Lua that sets `sec` and `usec`; tests drive both sides of a comparison at the same times by it */
export function takeScript(time: string = REDIS_TIME): Script {
  return script(`${time}\n${TAKE}`);
}

const BIND = `
local nowMs = sec * 1000 + math.floor(usec / 1000)
local marker = redis.call('HMGET', KEYS[1], 'reign', 'since', 'latest')
local back = marker[3] and nowMs < tonumber(marker[3]) - 1000
if marker[1] == ARGV[1] and not back then return 0 end
local startedAt = math.max(nowMs, tonumber(ARGV[2]))
if marker[2] and not back and ARGV[3] == '1' then startedAt = tonumber(marker[2]) end
-- What another layout has in it goes too.
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'reign', ARGV[1], 'since', string.format('%d', startedAt), 'latest', string.format('%d', nowMs))
return 1
`;

/**
 * Binds a part to a server's reign. Where the marker is of another one, or is missing, or the clock was set back, then
 * something may have been forgotten, and memory starts now: a server that restarts loses what it had not synced, and
 * one that takes over what it had not received. `durable` is the operator's word that neither happens.
 */
export function bindScript(time: string = REDIS_TIME): Script {
  return script(`${time}\n${BIND}`);
}

export function partKey(prefix: string, part: number, name: string): string {
  return `${prefix}:{${part}}:${name}`;
}

/** Which part an owner is in: FNV-1a over its id. */
export function partOf(owner: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < owner.length; i++) sum = Math.imul(sum ^ owner.charCodeAt(i), 0x01000193);
  return (sum >>> 16) % PARTS;
}

/** What EVALSHA takes: the number of keys, the keys, the arguments of {@link takeScript}; no more than are needed. */
export function takeArguments(prefix: string, reign: string, request: TakeRequest): (string | number)[] {
  const { owner, replay, factor, limits, quota, cost } = request;
  const start = partKey(prefix, partOf(owner), '');
  const rising = replay?.kind === 'rising' ? replay : null;
  const all: (string | number)[] = [rising ? 4 : 3, `${start}memory`, `${start}ends`, `${start}counts`];
  if (rising) all.push(`${start}rising:${rising.id}`);
  const kind = replay === null ? '-' : replay.kind === 'once' ? 'o' : 'r';
  all.push(reign, cost, `${kind}${quota === null ? '-' : 'q'}${factor === null ? '-' : 'f'}${limits.length}`);
  if (replay?.kind === 'once')
    all.push(`once:${replay.id}`, replay.signedAt, replay.untilMs, replay.aheadMs, replay.keptUntilMs);
  if (rising) all.push(rising.value.toString().padStart(20, '0'), rising.credentialCreatedAt, rising.aheadMs);
  if (factor !== null) all.push(`factor:${factor.id}`, factor.signedAt, factor.untilMs, factor.aheadMs);
  for (const { id, windowMs, limit } of limits) all.push(`limit:${id}`, windowMs, limit);
  if (quota !== null) all.push(`quota:${quota.id}:${quota.periodStart}`, quota.limit, quota.floor, quota.periodEnd);
  return all;
}

/** Reads what {@link takeScript} answered; null where the part has to be bound first. */
export function readTaken(reply: readonly number[]): Answered | null {
  const code = TAKEN_CODES[reply[0] as number];
  if (code === undefined) return null;
  const [startedAt, decidedAt, used] = [reply[1] as number, reply[2] as number, reply[3] as number];
  const limits: LimitState[] = [];
  for (let i = 4; i + 2 < reply.length; i += 3) {
    const [remaining, resetMs, retryAfterMs] = [reply[i] as number, reply[i + 1] as number, reply[i + 2] as number];
    limits.push({ remaining, resetMs, retryAfterMs });
  }
  return { code, limits, quota: used < 0 ? null : { used }, startedAt, decidedAt };
}
