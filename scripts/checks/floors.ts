import { isServer, isTest, roomOf, SERVER, target } from './places.ts';
import type { Rule } from './tree.ts';

/** The server's floors, top to bottom (ARCHITECTURE.md). Rooms on one line share a floor. */
const FLOORS: readonly (readonly string[])[] = [
  ['backup', 'compat'],
  ['compliance'],
  ['incidents'],
  ['monitoring'],
  ['agents', 'broker'],
  ['verification'],
  ['keys', 'secrets', 'signers'],
  ['delivery'],
  ['projects'],
  ['access'],
  ['feed'],
  ['audit'],
  ['vault'],
  ['ledger'],
  ['http', 'database'],
];

/** Above every room: they wire, and nobody imports them. */
const ROOF = new Set([
  'main.ts',
  'app.ts',
  'people-wiring.ts',
  'ledger-wiring.ts',
  'routes.ts',
  'maintenance.ts',
  'metrics.ts',
]);
/** Below every room: they import none. */
const GROUND = new Set(['config.ts', 'clock.ts', 'random.ts', 'version.ts', 'file-modes.ts']);

/** A room imports floors below it: never its own floor's other rooms, never above. What it needs from there is handed. */
export const floors: Rule = {
  name: 'floors',
  *check({ sources }) {
    for (const file of sources.filter(({ path }) => isServer(path) && !isTest(path))) {
      const from = heightOf(file.path);
      if (from === undefined) {
        yield { path: file.path, message: 'lies on no floor: give its room a place in scripts/checks/floors.ts' };
        continue;
      }
      for (const imported of file.imports) {
        const to = target(file, imported);
        if (!isServer(to) || isSameRoom(file.path, to)) continue;
        const height = heightOf(to);
        if (height !== undefined && height < from) continue;
        const message = `imports ${to.slice(SERVER.length)}, which is not on a floor below; let app.ts hand it in`;
        yield { path: file.path, line: imported.line, message };
      }
    }
  },
};

/** Files of the roof wire each other; those of the ground know only each other. */
function isSameRoom(from: string, to: string): boolean {
  return roomOf(from) === roomOf(to) && (roomOf(from) !== '' || heightOf(from) === heightOf(to));
}

/** Counted from the ground up; undefined where the file has no place. */
function heightOf(path: string): number | undefined {
  const room = roomOf(path);
  if (room === '') {
    const name = path.slice(SERVER.length);
    return ROOF.has(name) ? FLOORS.length + 1 : GROUND.has(name) ? 0 : undefined;
  }
  const floor = FLOORS.findIndex((rooms) => rooms.includes(room));
  return floor < 0 ? undefined : FLOORS.length - floor;
}
