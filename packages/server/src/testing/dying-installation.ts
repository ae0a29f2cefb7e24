import { type DeathStage, dieAt } from './die-at-module.ts';
import type { TestPlace } from './databases.ts';
import { eventually } from './eventually.ts';
import { type ProcessInstallation, startProcessInstallation } from './process-installation.ts';

/** Where in the work a control plane dies: in the transaction of the `nth` entry of an action. */
export interface Death {
  readonly stage: DeathStage;
  readonly action: string;
  readonly nth: number;
}

/** What a commit can die in. */
export const COMMIT_STAGES = ['before-commit', 'commit-sent', 'committed'] as const satisfies readonly DeathStage[];

/** An installation whose control plane dies by its own hand at one place of the work, and is started again. */
export interface DyingInstallation extends AsyncDisposable {
  readonly installation: ProcessInstallation;
  /** Returns once it is dead and runs again. */
  die<T>(death: Death, work: () => Promise<T>): Promise<T>;
}

export async function startDyingInstallation(
  place: TestPlace,
  env: Readonly<Record<string, string>> = {},
): Promise<DyingInstallation> {
  let imports: readonly string[] = [];
  const installation = await startProcessInstallation(place, {
    env,
    // Looked at anew at each start.
    get imports() {
      return imports;
    },
  });
  return {
    installation,
    die: async ({ stage, action, nth }, work) => {
      await installation.control.kill();
      imports = [dieAt(stage, 1, { action, nth })];
      await installation.startControl();
      imports = [];
      const { control } = installation;
      const result = await work();
      await eventually(`it dies ${stage} of ${nth} ${action}`, async () => !control.running);
      await installation.startControl();
      return result;
    },
    [Symbol.asyncDispose]: () => installation[Symbol.asyncDispose](),
  };
}
