// What a verdict belongs to, as a digest: a verdict that is kept is believed of exactly that again, and of nothing else.
import { createHash } from 'node:crypto';
import type { ContextMap } from '../context/map-object.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import type { Verdict } from '../verify/verify.ts';
import { encodePlain, type Plain } from './plain.ts';

/**
 * SHA-256 over all that a verdict depends on: the instructions with their functions, the maps as they are (with what nobody can change in
 * them any more), externs and BTF, prototypes of the helpers and contexts of the platform, and the AnyBPF that verifies.
 *
 * @param maps those that the object's maps stand for, in its order
 */
export function evidenceDigest(
  object: ObjectSpec,
  program: ProgramSpec,
  maps: readonly ContextMap[],
  platform: Platform,
  producer: string,
): string {
  const { type, attachType, attachTarget, license, dialect, sleepable, fragments, code, functions } = program;
  const said = {
    producer,
    program: { type, attachType, attachTarget, license, dialect, sleepable, fragments, code, functions },
    maps: maps.map(verifiedPart),
    externs: object.externs,
    platform: platformPart(platform, program),
  };
  return createHash('sha256')
    .update(encodePlain(said as unknown as Plain))
    .digest('hex');
}

function verifiedPart({ raw, runtime }: ContextMap) {
  const { type, keySize, valueSize, maxEntries, flags, extra, keyTypeId, valueTypeId, special, inner } = raw.spec;
  const at = raw.frozen ? raw.directValue?.(0) : undefined;
  const data = at === undefined ? undefined : runtime.memory.u8.slice(at, at + valueSize);
  const frozen = raw.frozen;
  return { type, keySize, valueSize, maxEntries, flags, extra, keyTypeId, valueTypeId, special, inner, frozen, data };
}

function platformPart(platform: Platform, { type, dialect }: ProgramSpec) {
  const helpers = platform.families.flatMap((family) => family.helpers);
  return {
    helpers: helpers.map(({ name, args, returns, numbers }) => [name, args, returns, numbers]),
    context: platform.programType(type)?.contexts[dialect],
  };
}

/** A verdict as plain data: what stands for it in a journal and between processes. */
export function verdictRecord({ checkedAt, explanation: _e, certificate: _c, ...rest }: Verdict): Plain {
  return { ...rest, ...(checkedAt === undefined ? {} : { checkedAt: [...checkedAt] }) } as unknown as Plain;
}

export function verdictOf(record: Plain): Verdict {
  const { checkedAt, ...rest } = record as unknown as Omit<Verdict, 'checkedAt'> & { checkedAt?: readonly number[] };
  return { ...rest, ...(checkedAt === undefined ? {} : { checkedAt: new Set(checkedAt) }) };
}
