import { barrels } from './barrels.ts';
import { ciphers } from './ciphers.ts';
import { constantTime } from './constant-time.ts';
import { dependencies } from './dependencies.ts';
import { environment } from './environment.ts';
import { exposeHolders } from './expose-holders.ts';
import { fileKinds } from './file-kinds.ts';
import { fileNames } from './file-names.ts';
import { floors } from './floors.ts';
import { frontDoor } from './front-door.ts';
import { oneClock } from './one-clock.ts';
import { packageBorders } from './package-borders.ts';
import { pureDomain } from './pure-domain.ts';
import { sizes } from './sizes.ts';
import { sqlPlaces } from './sql-places.ts';
import type { Rule } from './tree.ts';
import { unusedExports } from './unused-exports.ts';

/** The rules of the house that no general linter knows. */
export const RULES: readonly Rule[] = [
  ...[
    floors,
    fileKinds,
    sqlPlaces,
    pureDomain,
    environment,
    oneClock,
    exposeHolders,
    ciphers,
    constantTime,
    packageBorders,
  ],
  ...[barrels, fileNames, sizes, unusedExports, frontDoor, dependencies],
];
