import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Name, Nullable, Page, PageQuery, Time } from './shapes.ts';

export const BreakGlassShape = Closed({
  id: IdOf('breakGlass'),
  by: IdOf('person'),
  byName: Type.String(),
  reason: Type.String(),
  state: Type.Enum(['open', 'closed', 'reviewed']),
  expiresAt: Time,
  createdAt: Time,
  reviewedBy: Nullable(Type.String()),
  review: Nullable(Type.String()),
});
export type BreakGlass = Static<typeof BreakGlassShape>;

const Params = Closed({ id: IdOf('breakGlass') });
const Answer = Closed({ breakGlass: BreakGlassShape });

export const openBreakGlass = defineOperation({
  id: 'open-break-glass',
  asks: [{ action: 'break-glass.open', at: 'installation' }],
  method: 'POST',
  path: '/v1/break-glass',
  tag: 'People',
  summary: 'Go on without the approvals that policies want, for minutes: loudly, and reviewed afterwards',
  body: Closed({
    reason: { ...Name, description: 'What cannot wait; for whoever reviews it.' },
    minutes: Type.Integer({ minimum: 1, maximum: 60 }),
  }),
  status: 201,
  response: Answer,
  errors: ['CONFIRMATION_REQUIRED', 'ILLEGAL_TRANSITION'],
});

export const listBreakGlass = defineOperation({
  id: 'list-break-glass',
  asks: [{ action: 'break-glass.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/break-glass',
  tag: 'People',
  summary: 'List when somebody went on without approvals, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(BreakGlassShape),
  errors: ['INVALID_CURSOR'],
  isWatching: true,
});

export const closeBreakGlass = defineOperation({
  id: 'close-break-glass',
  asks: [{ action: 'break-glass.close', at: 'installation' }],
  method: 'POST',
  path: '/v1/break-glass/{id}/close',
  tag: 'People',
  summary: 'End it before its time: your own, or that of somebody else',
  params: Params,
  status: 200,
  response: Answer,
  errors: ['BREAK_GLASS_NOT_FOUND'],
});

export const reviewBreakGlass = defineOperation({
  id: 'review-break-glass',
  asks: [{ action: 'break-glass.review', at: 'installation' }],
  method: 'POST',
  path: '/v1/break-glass/{id}/review',
  tag: 'People',
  summary: "Say what you found of somebody else's, once it is over",
  params: Params,
  body: Closed({ review: { ...Name, description: 'What was done with it, and whether it had to be.' } }),
  status: 200,
  response: Answer,
  errors: ['BREAK_GLASS_NOT_FOUND', 'ILLEGAL_TRANSITION'],
});
