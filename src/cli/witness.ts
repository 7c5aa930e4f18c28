// anybpf verify --witness: refusals shown by runs.
import { toHex } from '../base/bytes.ts';
import { memoryHost } from '../hosts/memory/host.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { ENDLESS, witnessOf } from '../run/witness.ts';
import type { VerifyRecord } from '../verify/report/record.ts';
import { grouped, plural } from './style.ts';

/** The records, each refusal with an input that shows it where one is found. `programs`: as they were verified. */
export const withWitnesses = (
  records: readonly VerifyRecord[],
  object: ObjectSpec,
  programs: readonly ProgramSpec[],
): readonly VerifyRecord[] => records.map((record, i) => withWitness(record, object, programs[i]));

function withWitness(record: VerifyRecord, object: ObjectSpec, program: ProgramSpec): VerifyRecord {
  const { verdict, code, instruction } = record;
  if (verdict !== 'refused' || code === undefined || instruction === undefined) return record;
  const found = witnessOf(object, program, code, instruction.slot, memoryHost());
  if (found === undefined) return record;
  const { data, aborted } = found;
  const input = data === undefined ? 'any input' : `a packet of ${plural(data.length, 'byte')}`;
  const how =
    aborted.code === 'run/budget' ? `it has not ended after ${grouped(ENDLESS)} instructions` : `it ${aborted.message}`;
  return {
    ...record,
    witness: { ...(data === undefined ? {} : { packet: toHex(data) }), text: `on ${input} ${how}` },
  };
}
