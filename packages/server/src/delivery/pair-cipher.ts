import { armor, Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from 'age-encryption';

/** A fresh pair: X25519 with ML-KEM-768, since what is kept today may be tried in twenty years. */
export async function newPair(): Promise<{ recipient: string; identity: string }> {
  const identity = await generateHybridIdentity();
  return { identity, recipient: await identityToRecipient(identity) };
}

export async function encryptTo(recipient: string, text: string): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return armor.encode(await encrypter.encrypt(text));
}

/** @throws Error where it does not open with this identity */
export async function decryptWith(identity: string, body: string): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return await decrypter.decrypt(armor.decode(body), 'text');
}
