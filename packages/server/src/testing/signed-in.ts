import { after, before } from 'node:test';
import type { TestPlace } from './databases.ts';
import { startInstallation, type TestInstallation } from './installation.ts';
import { enrolOwner, type TestPerson } from './person.ts';

/** An installation whose first owner has enrolled. */
export interface SignedIn {
  readonly place: TestPlace;
  readonly installation: TestInstallation;
  readonly owner: TestPerson;
}

/** One for all tests of a suite. */
export function shareSignedIn(createPlace: () => Promise<TestPlace>): () => SignedIn {
  let shared: SignedIn | undefined;
  before(async () => {
    const place = await createPlace();
    const installation = await startInstallation(place);
    shared = { place, installation, owner: await enrolOwner(installation) };
  });
  after(async () => {
    await shared?.installation[Symbol.asyncDispose]();
    await shared?.place[Symbol.asyncDispose]();
  });
  return () => {
    if (shared === undefined) throw new Error('the installation did not start');
    return shared;
  };
}
