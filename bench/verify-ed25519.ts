// Requests signed with Ed25519 a CPU-second, on one core, against `crypto.verify` alone with a KeyObject on the same bytes.
import { ED25519_ORDERS } from './replica/ed25519-requests.ts';
import { measureSigned } from './replica/verify-signed.ts';

await measureSigned({ name: 'verify-ed25519', ...ED25519_ORDERS });
