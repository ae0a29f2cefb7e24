import type { Consumer, Environment, PermissionSetting, Project, Signing } from '@keyhold/protocol/operations/projects';
import * as operations from '@keyhold/protocol/operations/projects';
import { getRules, type Rules, setRules } from '@keyhold/protocol/operations/rules';
import type { Client } from '@keyhold/sdk/client';
import { type AnyCall, apiCommand, listCommand, pages } from '../api-command.ts';
import type { Command, Given } from '../command.ts';
import { type Field, renderDetails, time } from '../table.ts';
import { rateLimits } from './limits.ts';

const PROJECT: readonly Field<Project>[] = [
  ['slug', ({ slug }) => slug],
  ['name', ({ name }) => name],
  ['id', ({ id }) => id],
  ['created', ({ createdAt }) => time(createdAt)],
];

const ENVIRONMENT: readonly Field<Environment>[] = [
  ['name', ({ project, name }) => `${project}/${name}`],
  ['prefix', ({ prefix }) => prefix],
  ['kind', ({ kind }) => kind],
  ['lease', ({ leaseSeconds, afterLease }) => `${leaseSeconds} s, then ${afterLease}`],
  ['id', ({ id }) => id],
  ['created', ({ createdAt }) => time(createdAt)],
];

const SETTING: readonly Field<PermissionSetting>[] = [
  ['permission', ({ permission }) => permission],
  ['confirm', ({ confirm }) => confirm],
  ['audit', ({ audit }) => audit],
];

const SIGNING: readonly Field<Signing>[] = [
  ['dialects', ({ dialects }) => dialects.map(({ dialect }) => dialect)],
  ['replay', ({ replay }) => replay],
  ['reads without it', ({ replayReads }) => replayReads],
];

const RULES: readonly Field<Rules>[] = [
  ['withdrawals', ({ withdrawals }) => withdrawals],
  ['lapse without networks', ({ withoutNetworks }) => lapse(withoutNetworks)],
  ['second factor', ({ secondFactor }) => secondFactor],
  ['suspended unused', ({ unusedDays }) => (unusedDays === null ? null : `after ${unusedDays} days`)],
];

function lapse(rule: Rules['withoutNetworks']): string | null {
  return rule === null ? null : `${rule.permissions.join(', ')} after ${rule.days} days`;
}

const CONSUMER: readonly Field<Consumer>[] = [
  ['id', ({ id }) => id],
  ['project', ({ project }) => project],
  ['name', ({ name }) => name],
  ['external id', ({ externalId }) => externalId],
  ['rate limits', rateLimits],
  ['created', ({ createdAt }) => time(createdAt)],
];

const CONSUMER_DETAILS: readonly Field<Consumer>[] = [...CONSUMER, ['metadata', ({ metadata }) => metadata]];

/** `projects`, `environments`, `consumers`. */
export const PROJECT_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['projects', 'create'],
    operation: operations.createProject,
    call: (client) => client.projects.create,
    show: (project) => renderDetails(PROJECT, project),
  }),
  listCommand({
    words: ['projects', 'list'],
    operation: operations.listProjects,
    call: (client) => client.projects.list,
    columns: PROJECT,
  }),
  apiCommand({
    words: ['environments', 'create'],
    operation: operations.createEnvironment,
    call: (client) => client.environments.create,
    labels: ['PROJECT'],
    show: (environment) => renderDetails(ENVIRONMENT, environment),
  }),
  listCommand({
    words: ['environments', 'list'],
    operation: operations.listEnvironments,
    call: (client) => client.environments.list,
    labels: ['PROJECT'],
    columns: ENVIRONMENT,
  }),
  apiCommand({
    words: ['environments', 'set-permission'],
    operation: operations.setPermission,
    call: (client) => client.environments.setPermission,
    labels: ['PROJECT', 'ENVIRONMENT', 'PERMISSION'],
    kept: settingOf,
    show: ({ setting }) => renderDetails(SETTING, setting),
  }),
  listCommand({
    words: ['environments', 'list-permissions'],
    operation: operations.listPermissions,
    call: (client) => client.environments.listPermissions,
    labels: ['PROJECT', 'ENVIRONMENT'],
    columns: SETTING,
  }),
  apiCommand({
    words: ['environments', 'set-signing'],
    operation: operations.setSigning,
    call: (client) => client.environments.setSigning,
    labels: ['PROJECT', 'ENVIRONMENT'],
    show: ({ signing }) => renderDetails(SIGNING, signing),
  }),
  apiCommand({
    words: ['environments', 'get-signing'],
    operation: operations.getSigning,
    call: (client) => client.environments.getSigning,
    labels: ['PROJECT', 'ENVIRONMENT'],
    show: (signing) => renderDetails(SIGNING, signing),
  }),
  apiCommand({
    words: ['environments', 'set-rules'],
    operation: setRules,
    call: (client) => client.environments.setRules,
    labels: ['PROJECT', 'ENVIRONMENT'],
    summary: 'Set what keys of an environment have to be like; what is left out stays; waits for the barrier',
    kept: (client, input) => client.environments.getRules(placeOf(input)),
    show: ({ rules }) => renderDetails(RULES, rules),
  }),
  apiCommand({
    words: ['environments', 'get-rules'],
    operation: getRules,
    call: (client) => client.environments.getRules,
    labels: ['PROJECT', 'ENVIRONMENT'],
    show: (rules) => renderDetails(RULES, rules),
  }),
  apiCommand({
    words: ['consumers', 'create'],
    operation: operations.createConsumer,
    call: (client) => client.consumers.create,
    show: (consumer) => renderDetails(CONSUMER_DETAILS, consumer),
  }),
  listCommand({
    words: ['consumers', 'list'],
    operation: operations.listConsumers,
    call: (client) => client.consumers.list,
    columns: CONSUMER,
  }),
  apiCommand({
    words: ['consumers', 'get'],
    operation: operations.getConsumer,
    call: (client) => client.consumers.get,
    labels: ['CONSUMER'],
    show: (consumer) => renderDetails(CONSUMER_DETAILS, consumer),
  }),
];

function placeOf(input: Given['input']): { slug: string; name: string } {
  return { slug: String(input['slug']), name: String(input['name']) };
}

async function settingOf({ environments }: Client, input: Given['input']): Promise<object> {
  const list = { ...placeOf(input), limit: 200 };
  for await (const { items } of pages<PermissionSetting>(
    environments.listPermissions as unknown as AnyCall,
    list,
    true,
  )) {
    const found = items.find(({ permission }) => permission === input['permission']);
    if (found !== undefined) return found;
  }
  return {};
}
