// Writes packages/protocol/src/dialects/vectors/signed-requests.json anew.
import { existsSync, writeFileSync } from 'node:fs';
import { makeVectors, readJson, textOf, VECTORS } from './make-vectors.ts';
import type { VectorFile } from './vector-format.ts';

const previous = existsSync(VECTORS) ? readJson<VectorFile>(VECTORS) : { about: '', vectors: [], refused: [] };
const file = await makeVectors(previous);
writeFileSync(VECTORS, textOf(file));
console.log(`${file.vectors.length} vectors, ${file.refused.length} refusals`);
