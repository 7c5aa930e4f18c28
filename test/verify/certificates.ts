// Alterations of programs and of their certificates: what of them is accepted has to be right.
import type { AnyBpfError } from '../../src/base/diagnostic.ts';
import { encodeProgram, decodeProgram, type Insn, makeInsn } from '../../src/isa/insn.ts';
import { FORMATS, OP_NAMES, OPS, type OpName } from '../../src/isa/opcodes.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import type { Platform } from '../../src/spec/platform.ts';
import { type CertificateVerdict, checkCertificate } from '../../src/verify/check/check.ts';
import { certificateDigest } from '../../src/verify/check/digest.ts';
import type {
  Certificate,
  NumberRecord,
  PointerRecord,
  PointRecord,
  ValueRecord,
} from '../../src/verify/check/format.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';
import { codeOf } from '../fuzz/lines.ts';
import { MEMORY_MAPS } from '../fuzz/memory-accesses.ts';
import { memoryProgram } from '../fuzz/memory-program.ts';
import { RANDOM_SPEC } from '../fuzz/random-program.ts';
import { Random } from '../support/random.ts';
import { programOf } from './support.ts';

export const certified = (object: ObjectSpec, program: ProgramSpec, platform: Platform): Verdict =>
  verify(object, program, platform, { visits: 100_000, time: 5_000, certificate: true });

/** Of another program, as if it had been made for this one. */
export function checkAsOwn(
  object: ObjectSpec,
  program: ProgramSpec,
  platform: Platform,
  certificate: Certificate,
): CertificateVerdict {
  return checkCertificate(object, program, platform, {
    ...certificate,
    digest: certificateDigest(object, program, platform),
  });
}

/** Ops of the same format that do something else. */
const SIBLINGS = new Map<OpName, readonly OpName[]>(
  OP_NAMES.map((name) => [name, OP_NAMES.filter((other) => other !== name && OPS[other].format === OPS[name].format)]),
);

/** Each instruction altered in turn: other operands, other distances, another operation, or gone. */
export function* programMutants(program: ProgramSpec, choose: (count: number) => number): Generator<ProgramSpec> {
  const insns = decodeProgram(program.code, {});
  const slots = insns.length;
  for (let slot = 0; slot < slots; slot++) {
    const insn = insns[slot];
    if (insn === undefined) continue;
    for (const altered of alterations(insn, choose)) {
      const code = encoded(insns.map((one, i) => (i === slot ? altered : one)));
      if (code?.length === program.code.length && code.some((byte, i) => byte !== program.code[i]))
        yield { ...program, code };
    }
  }
}

function encoded(insns: readonly (Insn | undefined)[]): Uint8Array<ArrayBuffer> | undefined {
  try {
    return encodeProgram(insns);
  } catch (error) {
    if ((error as AnyBpfError).code?.startsWith('isa/') !== true) throw error;
    return undefined;
  }
}

function alterations(insn: Insn, choose: (count: number) => number): readonly Insn[] {
  const fields: readonly string[] = FORMATS[OPS[insn.op].format].fields;
  const found: Insn[] = [];
  if (fields.includes('imm') && OPS[insn.op].format !== 'ld_pseudo') {
    for (const by of [1, -1, 8, 1 << choose(16)]) found.push({ ...insn, imm: (insn.imm + by) | 0 });
  }
  if (fields.includes('off')) for (const by of [1, -1, 8, -8]) found.push({ ...insn, off: insn.off + by });
  if (fields.includes('dst')) found.push({ ...insn, dst: choose(10) });
  if (fields.includes('src')) found.push({ ...insn, src: choose(10) });
  const siblings = SIBLINGS.get(insn.op) ?? [];
  if (siblings.length > 0) found.push(makeInsn(siblings[choose(siblings.length)], insn));
  if (OPS[insn.op].format !== 'exit' && insn.imm64 === undefined) {
    found.push(makeInsn('ja', { off: 0 }));
    if (OPS[insn.op].format.startsWith('branch')) found.push(makeInsn('ja', { off: insn.off }));
  }
  return found;
}

const isNumber = (value: ValueRecord): value is NumberRecord => value === 0 || Array.isArray(value);

/** One value of one point put in place of another. */
function withValue(
  certificate: Certificate,
  index: number,
  change: (value: ValueRecord) => ValueRecord | undefined,
): Certificate {
  const points = certificate.points.map((point, i): PointRecord => {
    if (i !== index) return point;
    const frames = point.frames.map((frame) => ({
      ...frame,
      registers: frame.registers.flatMap(([register, value]) => {
        const next = change(value);
        return next === undefined ? [] : [[register, next] as const];
      }),
      cells: frame.cells.flatMap(([offset, size, value]) => {
        const next = change(value);
        return next === undefined ? [] : [[offset, size, next] as const];
      }),
    }));
    return { ...point, frames };
  });
  return { ...certificate, points };
}

/** Bounds that hold fewer numbers, or others. */
function otherBounds(text: string, choose: (count: number) => number): string {
  const parts = text.split(' ').map(BigInt);
  if (parts.length === 1) return `${parts[0] + BigInt(choose(3) - 1)}`;
  const at = choose(10);
  const changed = [...parts];
  const next = [parts[at] - 1n, parts[at] + 1n, parts[at] / 2n, 0n][choose(4)];
  changed[at] = next;
  return changed.join(' ');
}

const REGIONS = [
  'ctx',
  'stack',
  'packet',
  'packetEnd',
  'map',
  'mapValue',
  'mapKey',
  'memory',
  'ringRecord',
  'kernel',
  'socket',
];

const without = <T extends object>(record: T, field: keyof T): T => ({ ...record, [field]: undefined });

function otherPointer(p: PointerRecord, choose: (count: number) => number): PointerRecord {
  const kinds: ((p: PointerRecord) => PointerRecord)[] = [
    (x) => without(x, 'nullable'),
    (x) => without(x, 'readOnly'),
    (x) => without(x, 'variable'),
    (x) => without(x, 'reference'),
    (q) => ({ ...q, range: (q.range ?? 0) + 1 + choose(64) }),
    (q) => ({ ...q, size: (q.size ?? 0) + 1 + choose(64) }),
    (q) => ({ ...q, offset: (q.offset ?? 0) + choose(17) - 8 }),
    (q) => ({ ...q, id: 1 + choose(3) }),
    (q) => ({ ...q, id: 0 }),
    (q) => ({ ...q, region: REGIONS[choose(REGIONS.length)] }),
    (q) => ({ ...q, map: choose(3) }),
    (q) => ({ ...q, target: choose(2) }),
  ];
  return kinds[choose(kinds.length)](p);
}

/** One alteration of a certificate, chosen by the caller. */
export function certificateMutant(certificate: Certificate, choose: (count: number) => number): Certificate {
  const { points, numbers } = certificate;
  if (points.length === 0) return certificate;
  const index = choose(points.length);
  let nth = choose(6);
  const someValue = (change: (value: ValueRecord) => ValueRecord | undefined): Certificate =>
    withValue(certificate, index, (value) => (nth-- === 0 ? change(value) : value));
  const point = (change: (point: PointRecord) => PointRecord): Certificate => ({
    ...certificate,
    points: points.map((one, i) => (i === index ? change(one) : one)),
  });
  const kinds: (() => Certificate)[] = [
    () => ({ ...certificate, points: points.filter((_, i) => i !== index) }),
    () => ({ ...certificate, points: points.toSpliced(index, 0, points[choose(points.length)]) }),
    () => ({ ...certificate, numbers: numbers.map((text, i) => (i === nth ? otherBounds(text, choose) : text)) }),
    () =>
      someValue((value) =>
        isNumber(value) ? [choose(numbers.length + 1), choose(3), choose(5) - 2] : otherPointer(value, choose),
      ),
    () => someValue((value) => (isNumber(value) ? 0 : otherPointer(value, choose))),
    () => someValue((value) => (isNumber(value) ? { region: REGIONS[choose(REGIONS.length)], offset: 0 } : 0)),
    () =>
      someValue((value) =>
        value !== 0 && isNumber(value) ? [value[0], 1, 0] : isNumber(value) ? value : { ...value, id: 1 },
      ),
    () => someValue(() => undefined),
    () => point((x) => without(x, 'loops')),
    () => point((p) => ({ ...p, loops: [[choose(points.length), 1, choose(5) - 2, choose(2)]] })),
    () => point((x) => without(x, 'head')),
    () => point((p) => ({ ...p, head: choose(2) === 0 ? [] : [0, choose(10), 8, choose(2) === 0 ? 1 : -1] })),
    () => point((x) => without(x, 'references')),
    () =>
      point((p) => ({
        ...p,
        frames: p.frames.map((frame) =>
          frame.callback === undefined
            ? frame
            : {
                ...frame,
                callback: {
                  ...frame.callback,
                  [['once', 'atMost', 'args', 'slot'][choose(4)]]: [true, 0, [], 1][choose(4)],
                },
              },
        ),
      })),
    () => point((p) => ({ ...p, slot: p.slot + choose(5) - 2 })),
    () => point((p) => ({ ...p, frames: p.frames.slice(choose(2)) })),
    () => point((p) => ({ ...p, frames: p.frames.map((frame) => ({ ...frame, bytes: 'f'.repeat(1 + choose(128)) })) })),
  ];
  return kinds[choose(kinds.length)]();
}

/** Programs that access memory behind checks, accepted or not. */
export function randomProgram(seed: number): { object: ObjectSpec; program: ProgramSpec } | undefined {
  const code = codeOf(memoryProgram(new Random(seed)));
  if (code === undefined) return undefined;
  const program: ProgramSpec = { ...RANDOM_SPEC, code };
  return { program, object: { ...programOf('exit').object, programs: [program], maps: MEMORY_MAPS } };
}

/** Why the verifier does not accept a program; undefined where it does. With few visits first, as most is decided then. */
export function refusal(
  object: ObjectSpec,
  program: ProgramSpec,
  platform: Platform,
  most = 100_000,
): string | undefined {
  const reason = (visits: number): string | undefined => {
    const { verdict, diagnostic } = verify(object, program, platform, { visits, time: 5_000 });
    return verdict === 'accepted' ? undefined : diagnostic?.code;
  };
  const code = reason(Math.min(most, 3_000));
  return code === 'verify/unbounded-loop' || code === 'verify/budget' ? reason(most) : code;
}
