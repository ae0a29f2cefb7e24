import { readFileSync } from 'node:fs';
import { ChainCheck } from '@keyhold/auditor/chain-check';
import type { CheckedCheckpoint } from '@keyhold/auditor/check-checkpoint';
import { checkEvidence } from '@keyhold/auditor/check-evidence';
import { checkReceipt } from '@keyhold/auditor/check-receipt';
import { explainEvidence, explainReceipt } from '@keyhold/auditor/explain';
import { LineTooLong } from '@keyhold/auditor/export-lines';
import { ExportCheck, isExportHeader } from '@keyhold/auditor/log-export';
import { NODE_CHECKER } from '@keyhold/auditor/node-checker';
import { parseOneReading } from '@keyhold/auditor/one-reading';
import { readPublicKey, verifierOf } from '@keyhold/auditor/request-signature';
import { readTrust } from '@keyhold/auditor/trust';
import { PolicyUnreadable, type TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { type Client, createClient } from '@keyhold/sdk/client';
import { JSON_FLAG } from '../api-command.ts';
import type { Command, Context, Given } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import { readExport } from './export-file.ts';
import { exportLines, GivenUp } from './export-lines.ts';
import { type AuditReport, reportCheck, reportReceipt, reportText } from './report.ts';

/** Checks the log here, with nothing from the server but the entries; of a file nothing is asked of anybody. */
export const auditVerify: Command = {
  words: ['audit', 'verify'],
  summary: 'Verify a receipt, an export, a signed request, or the whole log of a server, on this machine',
  positionals: [],
  flags: [
    { name: 'receipt', value: 'FILE', about: 'A receipt, as "audit receipt" writes it; nothing is sent.' },
    { name: 'file', value: 'FILE', about: 'An export, as "audit export" writes it; nothing is sent.' },
    { name: 'evidence', value: 'FILE', about: 'A signed request, as "audit evidence" writes it; nothing is sent.' },
    {
      name: 'public-key',
      value: 'FILE',
      about: "With --evidence: the consumer's public key, as PEM or hex of its DER.",
    },
    { name: 'signed', value: 'FILE', about: 'With --evidence: what was signed, where it is too long for an entry.' },
    {
      name: 'trust',
      value: 'FILE',
      about: "The log's verifier keys, one a line, or a policy (c2sp.org/tlog-policy); else those the server names.",
    },
    JSON_FLAG,
    ...URL_FLAGS,
  ],
  run: async (given, context) => {
    const { receipt, file, evidence, json } = given.own;
    const report =
      typeof evidence === 'string'
        ? verifyEvidence(evidence, given)
        : typeof receipt === 'string'
          ? verifyReceipt(receipt, trustOf(given))
          : typeof file === 'string'
            ? await verifyLines(readExport(file), trustOf(given), true)
            : await verifyServer(given, context);
    if (json === true) context.terminal.print(JSON.stringify(report, null, 2));
    else for (const line of reportText(report)) context.terminal.print(line);
    return report.valid ? EXIT.done : EXIT.refused;
  },
};

/** INVARIANT: never from the file that is checked: it would vouch for itself. */
function trustOf({ own }: Given): TrustPolicy {
  const { trust } = own;
  if (typeof trust !== 'string') {
    throw new UsageError(
      'give --trust FILE with the verifier keys of the log: "keyhold audit log" names them, and they are worth as much ' +
        'as the way that you got them',
    );
  }
  return trustIn(readText(trust));
}

function trustIn(text: string): TrustPolicy {
  try {
    return readTrust(NODE_CHECKER.sha256, text);
  } catch (error) {
    if (error instanceof PolicyUnreadable) throw new UsageError(`the trust file: ${error.message}`);
    throw error;
  }
}

function readText(file: string): string {
  return readBytes(file).toString('utf8');
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function verifyReceipt(file: string, trust: TrustPolicy): AuditReport {
  const checked = checkReceipt(NODE_CHECKER, trust, readText(file));
  return reportReceipt(checked, typeof checked === 'string' ? null : explainReceipt(checked));
}

/** Who signed what, by the consumer's key; that the log has it, by the log's. */
function verifyEvidence(file: string, given: Given): AuditReport {
  const { 'public-key': keyFile, signed } = given.own;
  if (typeof keyFile !== 'string') {
    throw new UsageError("give --public-key FILE with the consumer's public key, from him or whoever vouches for it");
  }
  const key = readPublicKey(readText(keyFile));
  if (key === null) throw new UsageError(`${keyFile} holds no public key, as PEM or as hex of its DER`);
  const base = typeof signed === 'string' ? readBytes(signed) : null;
  const text = readText(file).trimEnd();
  const evidence = parseOneReading(text);
  if (evidence === undefined && isJson(text)) {
    return reportReceipt('this is not as "keyhold audit evidence" wrote it: formatted, or changed', null);
  }
  const checked = checkEvidence(NODE_CHECKER, trustOf(given), evidence, {
    verify: verifierOf(key),
    base,
  });
  if (typeof checked === 'string') return reportReceipt(checked, null);
  return reportReceipt(checked.receipt, explainEvidence(checked));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** How often it begins again where entries are given up meanwhile. */
const MAX_ROUNDS = 5;

async function verifyServer(given: Given, { environment }: Context): Promise<AuditReport> {
  const client = createClient(connectionFor(given.own, environment));
  for (let round = 1; ; round++) {
    try {
      return await verifyLog(client, given);
    } catch (error) {
      if (!(error instanceof GivenUp) || round === MAX_ROUNDS) throw error;
    }
  }
}

async function verifyLog(client: Client, { own }: Given): Promise<AuditReport> {
  const { keys, first, sequence, witnessedSize } = await client.audit.getLog();
  const trust = typeof own['trust'] === 'string' ? trustIn(readText(own['trust'])) : trustIn(keys.join('\n'));
  // Whoever asks for witnesses has checked what enough of them saw; the report says up to which entry.
  const asksWitnesses = !trust.isQuorum(new Set());
  const to = asksWitnesses && witnessedSize !== null && witnessedSize >= first ? witnessedSize : sequence;
  return await verifyLines(exportLines(client, { from: first, to }), trust, typeof own['trust'] === 'string');
}

/** @param isTrustOwn the keys came from the auditor, not from the server itself */
async function verifyLines(
  lines: AsyncIterable<unknown>,
  trust: TrustPolicy,
  isTrustOwn: boolean,
): Promise<AuditReport> {
  let check: ExportCheck | null = null;
  try {
    for await (const line of lines) {
      if (check === null) {
        if (!isExportHeader(line)) return headless();
        check = new ExportCheck(NODE_CHECKER, line);
      } else check.chain.take(line);
      if (check.chain.fault !== null) break;
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    if (check === null) return headless(error.message);
    check.chain.fail(error.message);
  }
  if (check === null) return headless();
  const checkpoint: CheckedCheckpoint | null = check.finish(trust);
  return reportCheck(check.chain, checkpoint, isTrustOwn);
}

/** There is nothing to hold against a checkpoint. */
function headless(
  detail = 'the file does not begin as an export does: "keyhold audit export" writes one',
): AuditReport {
  const chain = new ChainCheck(NODE_CHECKER.sha256);
  chain.fail(detail);
  return reportCheck(chain, null, true);
}
