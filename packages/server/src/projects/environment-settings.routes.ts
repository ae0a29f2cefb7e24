import { rfc9421SettingsFault } from '@keyhold/protocol/dialects/rfc9421/rfc9421';
import { hmacSettingsFault } from '@keyhold/protocol/dialects/hmac-template';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { getSigning, setSigning as setSigningOperation } from '@keyhold/protocol/operations/projects';
import { getRules, setRules as setRulesOperation } from '@keyhold/protocol/operations/rules';
import type { FastifyInstance } from 'fastify';
import type { EnvironmentRow } from '../database/schema.ts';
import { mount } from '../http/mount.ts';
import { confirmInProduction } from './confirm-in-production.ts';
import { openEnvironment } from './locate.ts';
import { loosensRules } from './loosening.ts';
import { showRules, showSigning } from './project.ts';
import type { Routes } from './projects.routes.ts';
import { findRules, findSigning } from './projects.store.ts';
import { setRules } from './set-rules.ts';
import { setSigning } from './set-signing.ts';

/** How requests of an environment may be signed, and what its keys have to be like. */
export function mountEnvironmentSettings(app: FastifyInstance, { gate, context, reader }: Routes): void {
  mount(app, gate, setSigningOperation, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const place = await openEnvironment(reader, principal, 'signing.set', params.slug, params.name);
    if (isRefusal(place)) return place;
    const unconfirmed = await confirmInProduction(reader, { principal, confirm }, place.environment.id);
    if (unconfirmed !== null) return unconfirmed;
    const wrong = checkDialects(body.dialects);
    if (wrong !== null) return wrong;
    const set = await setSigning(context, { principal, ip, idempotency }, place.environment, body);
    if (isRefusal(set)) return set;
    const { sequence, ...shown } = set;
    return { body: shown, sequence };
  });

  mount(app, gate, getSigning, async ({ principal, params }) => {
    const place = await openEnvironment(reader, principal, 'signing.read', params.slug, params.name);
    return isRefusal(place) ? place : { body: showSigning(await findSigning(reader, place.environment.id)) };
  });

  mount(app, gate, setRulesOperation, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const { withdrawals = [], withoutNetworks = null, unusedDays = null, secondFactor = [] } = body;
    const rules = { withdrawals, withoutNetworks, unusedDays, secondFactor };
    let loosens = true;
    const narrows = async ({ id }: EnvironmentRow) => {
      loosens = loosensRules(showRules(await findRules(reader, id)), rules);
      return !loosens;
    };
    const place = await openEnvironment(reader, principal, 'rules.set', params.slug, params.name, { narrows });
    if (isRefusal(place)) return place;
    const unconfirmed = await confirmInProduction(reader, { principal, confirm }, place.environment.id);
    if (unconfirmed !== null) return unconfirmed;
    const set = await setRules(context, { principal, ip, idempotency }, place.environment, rules, loosens);
    if (isRefusal(set)) return set;
    const { sequence, ...shown } = set;
    return { body: shown, sequence };
  });

  mount(app, gate, getRules, async ({ principal, params }) => {
    const place = await openEnvironment(reader, principal, 'rules.read', params.slug, params.name);
    return isRefusal(place) ? place : { body: showRules(await findRules(reader, place.environment.id)) };
  });
}

/** What would refuse every request, or leave open what one does, is told to whoever sets it. */
function checkDialects(dialects: readonly DialectSettings[]): Refusal | null {
  for (const [i, settings] of dialects.entries()) {
    const problem = problemOf(settings);
    if (problem !== null) return refuse('INVALID_INPUT', problem, `/dialects/${i}`);
  }
  return null;
}

function problemOf(settings: DialectSettings): string | null {
  if (settings.dialect === 'hmac') return hmacSettingsFault(settings);
  return settings.dialect === 'rfc9421' ? rfc9421SettingsFault(settings) : null;
}
