/** Of those whose secrets may still be there: keys that live are never walked through. */
export const destroyedKeys: readonly string[] = ["CREATE INDEX keys_destroyed ON keys (id) WHERE state = 'destroyed'"];
