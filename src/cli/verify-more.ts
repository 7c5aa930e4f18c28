// anybpf verify --target and --against: what other systems would say.
import { InvalidArgumentError } from 'commander';
import { readFileSync } from 'node:fs';
import { decodeBtf } from '../btf/decode.ts';
import { kernelOpinions, type KernelOpinion } from '../hosts/linux/second-opinion.ts';
import { builtInPlatform } from '../hosts/platform.ts';
import { type Opened, relocated } from '../hosts/verifier/serve.ts';
import type { ProgramSpec } from '../spec/object.ts';
import { explainKernelLog, type MovesPacket } from '../verify/kernel-log/explain.ts';
import { parseKernelLog } from '../verify/kernel-log/parse.ts';
import type { OtherOpinion, VerifyRecord } from '../verify/report/record.ts';
import { type Lack, lacksOf, parseTarget, type Target } from '../verify/targets/predict.ts';

export const TARGETS = ['linux-5.15 (or any later: linux-6.1, linux-6.12, ...)', 'windows', 'anybpf'];

export const targetOf = (text: string): Target => {
  const target = parseTarget(text);
  if (target === undefined) throw new InvalidArgumentError(`there are ${TARGETS.join(', ')}.`);
  return target;
};

/** The records, each with what the target lacks for its program. */
export const withPredictions = (
  records: readonly VerifyRecord[],
  opened: Opened,
  programs: readonly ProgramSpec[],
  target: Target,
): readonly VerifyRecord[] =>
  records.map((record, i) => {
    const lacks = lacksOf(target, opened.object, relocated(opened, programs[i]), builtInPlatform);
    return { ...record, target: { name: target.name, prediction: true, lacks } };
  });

/** The records, each with what the kernel's verifier says of its program; it resolves CO-RE relocations for this kernel. */
export function withKernel(
  records: readonly VerifyRecord[],
  opened: Opened,
  programs: readonly ProgramSpec[],
  movesPacket: MovesPacket,
): readonly VerifyRecord[] {
  const unresolved = opened.target === undefined && programs.some(({ core }) => core.length > 0);
  const target = unresolved ? typesOfThisKernel() : opened.target;
  const forThis = programs.map((program) => relocated({ ...opened, target }, program));
  const opinions = kernelOpinions(opened.object, forThis);
  return records.map((record, i) => ({ ...record, against: told(opinions[i], record.object, movesPacket) }));
}

const VMLINUX = '/sys/kernel/btf/vmlinux';

/** Undefined where the kernel gives none. */
function typesOfThisKernel() {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(VMLINUX);
  } catch {
    return undefined;
  }
  return decodeBtf(bytes, { place: { file: VMLINUX } });
}

function told({ release, verdict, reason, log }: KernelOpinion, file: string, movesPacket: MovesPacket): OtherOpinion {
  const common = { system: `Linux ${release}`, verdict, ...(reason === undefined ? {} : { reason }) };
  const [parsed] = log === undefined ? [] : parseKernelLog(log);
  if (parsed === undefined) return log === undefined ? common : { ...common, kernel: log.trim().split('\n').slice(-3) };
  const { code, message, kernel, instruction, source } = explainKernelLog(parsed, file, movesPacket);
  return {
    ...common,
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message }),
    ...(kernel === undefined ? {} : { kernel }),
    ...(instruction === undefined ? {} : { instruction }),
    ...(source === undefined ? {} : { source }),
  };
}

/** What a record says of other systems, as lines. */
export const moreLines = ({ target, against }: VerifyRecord): string[] => [
  ...(target === undefined ? [] : targetLines(target.name, target.lacks)),
  ...(against === undefined ? [] : againstLines(against)),
];

const targetLines = (name: string, lacks: readonly Lack[]): string[] =>
  lacks.length === 0
    ? [`  prediction for ${name}: nothing is lacking`]
    : [`  prediction for ${name}: it lacks`, ...lacks.map((lack) => `    ${lackLine(lack)}`)];

function lackLine({ kind, name, since, insn, map }: Lack): string {
  const where = [
    ...(map === undefined ? [] : [`map ${map}`]),
    ...(insn === undefined ? [] : [`instruction ${insn}`]),
    ...(since === undefined ? [] : [`Linux has it since ${since}`]),
  ];
  return `${kind} ${name}${where.length === 0 ? '' : ` (${where.join(', ')})`}`;
}

function againstLines({ system, verdict, reason, code, message, instruction, kernel }: OtherOpinion): string[] {
  const at = instruction === undefined ? '' : ` at instruction ${instruction.slot}`;
  const why =
    reason ?? (message === undefined ? kernel?.join('; ') : `${message}${code === undefined ? '' : ` [${code}]`}${at}`);
  const said = message === undefined || kernel === undefined ? [] : [`    it says: ${kernel.slice(0, 2).join('; ')}`];
  return [`  ${system}: ${verdict}${why === undefined ? '' : `: ${why}`}`, ...said];
}
