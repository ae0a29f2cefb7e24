import { canonicalJson } from './canonical-json.ts';

/**
 * Every field that lies encrypted, with the purpose of the key that encrypts it. Logical names, never tables or
 * columns: a field keeps its name when it moves. The tests that swap, cut and put back go through this list, so that
 * a new field can't be forgotten.
 */
export const SEALED_FIELDS = {
  'seal-key': 'hsm',
  'root-key': 'seal',
  'environment-key': 'root',
  'secret.value': 'secrets',
  'sign-on.secret': 'secrets',
  'person.totp': 'secrets',
  'credential.secret': 'distribution',
  'factor.secret': 'distribution',
  'delivery.content': 'deliveries',
  'transit.key': 'transit',
  'log.key': 'log',
  'personal.key': 'personal',
  'period.key': 'personal',
  'entry.side': 'subject',
} as const;

export type SealedField = keyof typeof SEALED_FIELDS;

/** What a key of an environment may encrypt. */
export type Purpose = 'distribution' | 'secrets' | 'deliveries' | 'transit' | 'log' | 'personal';

/** Where an encrypted value belongs. It opens there and nowhere else (DESIGN §6, "Associated data"). */
export interface Place {
  readonly field: SealedField;
  readonly installation: string;
  /** Null: of the installation itself. */
  readonly project: string | null;
  readonly environment: string | null;
  readonly id: string;
  readonly version: number;
}

const UTF8 = new TextEncoder();

/** A layer of an envelope: the key that is wrapped, or the data that it encrypts. */
export type Layer = 'key' | 'data';

/** Associated data of one layer: the place, and whatever else has to stay as it was written. */
export function associatedData(layer: Layer, place: Place, bound: Readonly<Record<string, string>>): Uint8Array {
  const { environment, field, id, installation, project, version } = place;
  const purpose = SEALED_FIELDS[field];
  // In the order of canonical JSON, which is then quicker to write.
  return UTF8.encode(canonicalJson({ bound, environment, field, id, installation, layer, project, purpose, version }));
}
