// Helpers of the sample extension of eBPF for Windows (tests/sample/ext).
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import { readField } from './context.ts';

const FAILED = -1;

/** strstr within the two buffers: the offset of the second string in the first. */
function find(env: HelperEnv, buffer: Address, size: number, wanted: Address, limit: number): number {
  const string = (at: Address, most: number): Uint8Array => {
    const bytes = env.memory.u8.subarray(at, at + most);
    const end = bytes.indexOf(0);
    return end < 0 ? bytes : bytes.subarray(0, end);
  };
  const text = string(buffer, size);
  const part = string(wanted, limit);
  for (let i = 0; i + part.length <= text.length; i++) if (part.every((byte, j) => text[i + j] === byte)) return i;
  return FAILED;
}

function replace(env: HelperEnv, buffer: Address, size: number, position: bigint, by: Address, limit: number): number {
  const start = BigInt.asIntN(64, position);
  if (start < 0n || start >= BigInt(size)) return FAILED;
  const { u8 } = env.memory;
  // The last byte stays, as it ends the string.
  for (let i = Number(start), j = 0; i < size - 1 && j < limit && u8[by + j] !== 0; i++, j++)
    u8[buffer + i] = u8[by + j];
  return 0;
}

export const sampleHelpers: HelperFamily = {
  family: 'sample',
  doc: 'Windows: the sample extension',
  helpers: [
    helper({
      name: 'sample_ext_helper_function1',
      numbers: {},
      programNumbers: { sample: 0x10000 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Does nothing; 0.',
      body: () => 0,
    }),
    helper({
      name: 'sample_ext_find',
      numbers: {},
      programNumbers: { sample: 0x10001 },
      args: ['mem', 'size', 'mem', 'size'],
      returns: 'integer',
      doc: 'Offset of the second string in the first, -1 where it is not in it.',
      body: find,
    }),
    helper({
      name: 'sample_ext_replace',
      numbers: {},
      programNumbers: { sample: 0x10002 },
      args: ['memInOut', 'size', 'scalar', 'mem', 'size'],
      returns: 'integer',
      doc: 'Writes a string over a buffer from a position on, its last byte excepted. 0, or -1 for a position outside.',
      body: replace,
    }),
    helper({
      name: 'sample_ext_helper_implicit_1',
      numbers: {},
      programNumbers: { sample: 0x10003 },
      args: [],
      returns: 'integer',
      doc: 'The context’s helper_data_1.',
      body: (env) => readField(env, 'helper_data_1') ?? 0,
    }),
    helper({
      name: 'sample_ext_helper_implicit_2',
      numbers: {},
      programNumbers: { sample: 0x10004 },
      args: ['u32'],
      returns: 'integer',
      doc: 'The context’s helper_data_2 and the argument added.',
      body: (env, argument) => (readField(env, 'helper_data_2') ?? 0) + argument,
    }),
  ],
};
