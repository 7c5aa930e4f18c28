// What a certificate belongs to, as a short text. Nothing rests on it: it tells a certificate of another program from a wrong one.
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';

/** FNV-1a of 64 bits. */
class Digest {
  #low = 0x8422_2325;
  #high = 0xcbf2_9ce4;

  add(part: Uint8Array | string): this {
    const bytes = typeof part === 'string' ? new TextEncoder().encode(`${part}\n`) : part;
    let [low, high] = [this.#low, this.#high];
    for (const byte of bytes) {
      low = (low ^ byte) >>> 0;
      // Times 2^40 + 0x1b3, by 16-bit parts of the lower half.
      const a = (low & 0xffff) * 0x1b3;
      const b = (low >>> 16) * 0x1b3 + Math.floor(a / 0x1_0000);
      high = (Math.imul(high, 0x1b3) + (low << 8) + Math.floor(b / 0x1_0000)) >>> 0;
      low = (((b & 0xffff) << 16) | (a & 0xffff)) >>> 0;
    }
    [this.#low, this.#high] = [low, high];
    return this;
  }

  toString(): string {
    return [this.#high, this.#low].map((half) => half.toString(16).padStart(8, '0')).join('');
  }
}

function addMap(digest: Digest, map: MapSpec): void {
  const { type, keySize, valueSize, maxEntries, flags, frozen, special = [], data, inner } = map;
  digest.add([type, keySize, valueSize, maxEntries, flags, frozen].join());
  digest.add(special.map(({ kind, offset, size }) => `${kind} ${offset} ${size}`).join());
  if (frozen && data !== undefined) digest.add(data);
  if (inner !== undefined) addMap(digest, inner);
}

/** Of all that a verdict depends on: code, program type, licence, maps, externs, and the helpers of the program type. */
export function certificateDigest(object: ObjectSpec, program: ProgramSpec, platform: Platform): string {
  const { type, attachType, license, dialect, sleepable, code } = program;
  const digest = new Digest().add([type, attachType, license, dialect, sleepable, platform.dialect].join()).add(code);
  for (const map of object.maps) addMap(digest, map);
  digest.add(object.externs.map(({ name, weak }) => `${name} ${weak}`).join());
  const helpers = platform.families.flatMap((family) => family.helpers);
  digest.add(helpers.map(({ name, args, returns }) => `${name} ${args.join()} ${returns}`).join());
  return digest.toString();
}
