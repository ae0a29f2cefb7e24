import { hash } from 'node:crypto';
import { type Answered, type LimitState, TAKEN_CODES, type TakeRequest } from './shared-store.ts';

/**
 * What runs inside Redis. One script call is one step: nothing comes between its reads and its writes.
 *
 * Keys of one owner lie in one of {@link PARTS} parts, `prefix:{part}:…`, and a part in one slot of a cluster. Each
 * part has a marker, `prefix:{part}:memory`, that lives and dies with what the part remembers:
 * - `reign`: of which server process, and of which turn as primary, the memory is;
 * - `startedAt`: since when nothing was forgotten, epoch milliseconds;
 * - `latest`: latest time seen, to the second, by which a clock set back is noticed.
 */

/** Parts that owners are spread over; a number for good, for another one would lose what is remembered. */
export const PARTS = 64;

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

local function judgeOnce(key, signedAt, untilMs, ahead)
  if untilMs < nowMs or signedAt < startedAt + ahead then return TOO_OLD end
  if redis.call('EXISTS', key) == 1 then return REPLAYED end
  return VALID
end

-- A stored number is "value:written". Written before startedAt, a higher one may have been accepted and forgotten.
local function judgeRising(key, value, createdAt, ahead)
  local stored = redis.call('GET', key)
  if stored and value <= string.sub(stored, 1, 20) then return REPLAYED end
  local remembered = stored and tonumber(string.sub(stored, 22)) >= startedAt
  if remembered or createdAt > startedAt + ahead then return VALID end
  if readsAsTime(value, startedAt + ahead, nowMs + ahead) then return VALID end
  return UNKNOWN_NONCE
end
`;

const TAKE = `
local VALID, FACTOR_SPENT, REPLAYED, TOO_OLD, UNKNOWN_NONCE, RATE_LIMITED, QUOTA_EXCEEDED = 0, 1, 2, 3, 4, 5, 6
local nowMs = sec * 1000 + usec / 1000
local marker = redis.call('HMGET', KEYS[1], 'reign', 'startedAt', 'latest')
if marker[1] ~= ARGV[1] or nowMs < tonumber(marker[3]) - 1000 then return { ${UNBOUND} } end
if nowMs >= tonumber(marker[3]) + 1000 then redis.call('HSET', KEYS[1], 'latest', string.format('%d', nowMs)) end
local startedAt = tonumber(marker[2])
${NONCE}
local cost, kind, hasQuota = tonumber(ARGV[2]), string.sub(ARGV[3], 1, 1), string.sub(ARGV[3], 2, 2) == 'q'
local hasFactor = string.sub(ARGV[3], 3) == 'f'
local key, arg = 2, 4
local code = VALID
-- Keys end at moments (PXAT), not after a while: a script that is paused between TIME and SET would shorten a while.
if kind == 'o' then
  code = judgeOnce(KEYS[2], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
elseif kind == 'r' then
  code = judgeRising(KEYS[2], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
end
if kind ~= '-' then key, arg = 3, 8 end
local factorKey, factorUntil = KEYS[key], ARGV[arg + 1]
if hasFactor then
  local spent = judgeOnce(factorKey, tonumber(ARGV[arg]), tonumber(factorUntil), tonumber(ARGV[arg + 2])) ~= VALID
  if spent and code ~= TOO_OLD then code = FACTOR_SPENT end
  key, arg = key + 1, arg + 3
end
if code ~= VALID then return { code, startedAt, nowMs, -1 } end
local limitCount = #KEYS - key + (hasQuota and 0 or 1)

-- GCRA with burst = limit, as limits.ts has it. Its arrival time is kept as how far ahead of the moment of writing it
-- was, "ahead:sec:usec": small numbers, which a double adds up without rounding units away.
local function aheadNow(stored, window)
  if not stored then return 0 end
  local ahead, writtenSec, writtenUsec = string.match(stored, '^(%S+):(%d+):(%d+)$')
  local elapsed = (sec - tonumber(writtenSec)) * 1000 + (usec - tonumber(writtenUsec)) / 1000
  ahead = math.max(0, tonumber(ahead) - elapsed)
  -- Never above a window, unless the clock was set back or the window made shorter: wait a window at most.
  if ahead > window + 1 then return window end
  return ahead
end

local limits = {}
for i = 1, limitCount do
  local window, limit = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
  local ahead = aheadNow(redis.call('GET', KEYS[key]), window)
  local after = ahead + (cost * window) / limit
  local slack = math.min(0.001, window / limit / 1000)
  local excess = after - window
  if excess > 0 then excess = excess - slack end
  if excess > 0 then code = RATE_LIMITED end
  limits[i] = { key = KEYS[key], window = window, limit = limit, ahead = ahead, after = after, slack = slack, excess = excess }
  key, arg = key + 1, arg + 2
end

local used = -1
if hasQuota then
  used = math.max(tonumber(redis.call('GET', KEYS[key]) or 0), tonumber(ARGV[arg + 1]))
  if code == VALID and used + cost > tonumber(ARGV[arg]) then code = QUOTA_EXCEEDED end
end

if code == VALID then
  if kind == 'o' then
    redis.call('SET', KEYS[2], '', 'PXAT', string.format('%d', math.floor(tonumber(ARGV[7])) + 1))
  elseif kind == 'r' then
    redis.call('SET', KEYS[2], ARGV[4] .. ':' .. string.format('%d', nowMs))
  end
  if hasFactor then
    redis.call('SET', factorKey, '', 'PXAT', string.format('%d', math.floor(tonumber(factorUntil)) + 1))
  end
  for _, one in ipairs(limits) do
    one.ahead = one.after
    if one.after > 0 then
      local stored = string.format('%.17g:%d:%d', one.after, sec, usec)
      redis.call('SET', one.key, stored, 'PXAT', string.format('%d', math.ceil(nowMs + one.after) + 1))
    end
  end
  if hasQuota then
    used = used + cost
    -- An hour longer than its period, for verifiers whose clocks are behind.
    local keptUntil = math.max(tonumber(ARGV[arg + 2]), nowMs) + 3600000
    redis.call('SET', KEYS[key], string.format('%d', used), 'PXAT', string.format('%d', keptUntil))
  end
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

/**
 * Binds a part to a server's reign. Where the marker is of another one, or is missing, or the clock was set back, then
 * something may have been forgotten, and memory starts now: a server that restarts loses what it had not synced, and
 * one that takes over what it had not received. `durable` is the operator's word that neither happens.
 */
export const BIND_SCRIPT = script(`
${REDIS_TIME}
local nowMs = sec * 1000 + math.floor(usec / 1000)
local marker = redis.call('HMGET', KEYS[1], 'reign', 'startedAt', 'latest')
local back = marker[3] and nowMs < tonumber(marker[3]) - 1000
if marker[1] == ARGV[1] and not back then return 0 end
local startedAt = math.max(nowMs, tonumber(ARGV[2]))
if marker[1] and not back and ARGV[3] == '1' then startedAt = tonumber(marker[2]) end
redis.call('HSET', KEYS[1], 'reign', ARGV[1], 'startedAt', string.format('%d', startedAt), 'latest', string.format('%d', nowMs))
return 1
`);

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
  const keys = 1 + (replay === null ? 0 : 1) + (factor === null ? 0 : 1) + limits.length + (quota === null ? 0 : 1);
  const all: (string | number)[] = [keys, `${start}memory`];
  if (replay !== null) all.push(`${start}${replay.kind}:${replay.id}`);
  if (factor !== null) all.push(`${start}factor:${factor.id}`);
  for (const { id } of limits) all.push(`${start}limit:${id}`);
  if (quota !== null) all.push(`${start}quota:${quota.id}:${quota.periodStart}`);
  const kind = replay === null ? '-' : replay.kind === 'once' ? 'o' : 'r';
  all.push(reign, cost, `${kind}${quota === null ? '-' : 'q'}${factor === null ? '-' : 'f'}`);
  if (replay?.kind === 'once') all.push(replay.signedAt, replay.untilMs, replay.aheadMs, replay.keptUntilMs);
  else if (replay !== null)
    all.push(replay.value.toString().padStart(20, '0'), replay.credentialCreatedAt, replay.aheadMs, 0);
  if (factor !== null) all.push(factor.signedAt, factor.untilMs, factor.aheadMs);
  for (const { windowMs, limit } of limits) all.push(windowMs, limit);
  if (quota !== null) all.push(quota.limit, quota.floor, quota.periodEnd);
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
