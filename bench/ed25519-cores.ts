// The same requests a second of the wall clock, on every core there is, against `crypto.verify` alone on one.
import { ED25519_ORDERS } from './replica/ed25519-requests.ts';
import { measureSigned } from './replica/verify-signed.ts';

await measureSigned({ name: 'ed25519-cores', ...ED25519_ORDERS }, 'wall');
