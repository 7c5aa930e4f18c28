// Verifies a program that is loaded: when somebody asks, once, against the maps that it runs with.
import { uninitialisedStack } from '../base/messages/verify.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Proof } from '../spec/backend.ts';
import type { Memory } from '../spec/memory.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import type { Limits } from '../verify/engine.ts';
import { checkCertificate } from '../verify/check/check.ts';
import { DEFAULT_LIMITS, verify, type Verdict, type VerifyOptions } from '../verify/verify.ts';
import type { MapSlot } from './object-maps.ts';

export const VERIFY_MODES = ['off', 'prefer', 'require'] as const;
/** How a loader uses the verifier (LoadOptions.verify). */
export type VerifyMode = (typeof VERIFY_MODES)[number];

export const DEFAULT_VERIFY: VerifyMode = 'prefer';

/** What `prefer` spends on a program: nothing is lost where it does not suffice, so less than where it is required. */
export const PREFER_LIMITS: Limits = { visits: 200_000, time: 500 };

/** Code of the warning for reads of the stack where nothing was written. */
const UNWRITTEN = uninitialisedStack({}, 0, 0).code;

interface Found {
  readonly verdict: Verdict;
  readonly proof: Proof | undefined;
}

function byAnalysis(verdict: Verdict): Found {
  const { checkedAt, warnings } = verdict;
  const readsUnwritten = warnings?.some(({ code }) => code === UNWRITTEN) === true;
  const proven = verdict.verdict === 'accepted' && checkedAt !== undefined;
  return { verdict, proof: proven ? { checkedAt, readsUnwritten } : undefined };
}

/** Without analysis; undefined where the certificate does not show that the program may run. */
function byCertificate(
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  certificate: unknown,
): Found | undefined {
  const { verdict, visits, checkedAt, readsUnwritten = true } = checkCertificate(object, spec, platform, certificate);
  if (verdict !== 'accepted' || checkedAt === undefined) return undefined;
  return { verdict: { verdict, visits, states: 0, checkedAt }, proof: { checkedAt, readsUnwritten } };
}

/** The verdict on one program, found at the first question. */
export class Verification {
  readonly mode: Exclude<VerifyMode, 'off'>;
  readonly #find: () => Found;
  #found: Found | undefined;

  constructor(
    object: ObjectSpec,
    spec: ProgramSpec,
    platform: Platform,
    mode: Exclude<VerifyMode, 'off'>,
    limits: VerifyOptions = mode === 'require' ? DEFAULT_LIMITS : PREFER_LIMITS,
    certificate?: unknown,
    believed?: Verdict,
  ) {
    this.mode = mode;
    if (believed !== undefined) this.#found = byAnalysis(believed);
    this.#find = () =>
      (certificate === undefined ? undefined : byCertificate(object, spec, platform, certificate)) ??
      byAnalysis(verify(object, spec, platform, limits));
  }

  get verdict(): Verdict {
    this.#found ??= this.#find();
    return this.#found.verdict;
  }

  /** What back ends may rely on (ProgramImage.proof). */
  proof(wanted: 'now' | 'if-known'): Proof | undefined {
    if (wanted === 'now') this.#found ??= this.#find();
    return this.#found?.proof;
  }
}

/**
 * The object with its maps as they were created: of the size that an override gave, or another object's or thread's map in place of
 * the declared one. Contents that nobody can change any more are those in memory, not those that the object file brought.
 */
export function asCreated(object: ObjectSpec, slots: readonly MapSlot[], memory: Memory): ObjectSpec {
  const maps = object.maps.map((declared, index): MapSpec => {
    const slot = slots[index];
    // A program that names a map which could not be created is not loaded.
    if (slot === undefined || 'diagnostic' in slot) return declared;
    const { raw } = slot.map;
    const { data: _data, ...spec } = raw.spec;
    const constant = spec.frozen === true && (spec.flags & MAP_FLAGS.RDONLY_PROG) !== 0;
    const at = constant ? raw.directValue?.(0) : undefined;
    const data = at === undefined ? undefined : memory.u8.slice(at, at + spec.valueSize);
    return { ...spec, name: declared.name, frozen: data !== undefined, ...(data === undefined ? {} : { data }) };
  });
  return { ...object, maps };
}
