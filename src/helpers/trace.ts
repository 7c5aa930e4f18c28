import { text } from '../base/bytes.ts';
import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily, type HelperRow } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import { format, formatArguments, formatString } from './printf.ts';
import { EBPF_RESULT } from './status.ts';

/** MAX_PRINTF_BUF: a line is cut to this, with its NUL. */
const LINE_LIMIT = 1024;

function print(env: HelperEnv, fmt: Address, size: number, args: readonly bigint[] | number): number {
  if (typeof args === 'number') return args;
  const string = formatString(env, fmt, size);
  if (string === undefined) return -ERRNO.EINVAL;
  const line = format(env, string, args);
  if (typeof line === 'number') return line;
  env.host.trace(text(line.subarray(0, LINE_LIMIT - 1)).replace(/\n$/, ''));
  return line.length;
}

/** Windows has one helper for each number of arguments; formats take numbers only (eBPF for Windows, docs/helpers). */
const windowsRow = (count: 0 | 1 | 2 | 3): HelperRow =>
  helper({
    name: `trace_printk${count + 2}`,
    numbers: { windows: 12 + count },
    args: ['mem', 'size', ...Array.from({ length: count }, () => 'scalar')] as readonly ['mem', 'size', ...'scalar'[]],
    returns: 'integer',
    doc: `Prints a line with ${count} numbers; the bytes printed, or a negative error.`,
    body: (env, fmt, size, ...args) => {
      const printed = print(env, fmt, size, args);
      return printed < 0 ? -EBPF_RESULT.INVALID_ARGUMENT : printed;
    },
  });

export const traceHelpers: HelperFamily = {
  family: 'trace',
  doc: 'Lines for a person, and formatted strings',
  helpers: [
    helper({
      name: 'trace_printk',
      numbers: { linux: 6 },
      args: ['mem', 'size', 'scalar', 'scalar', 'scalar'],
      optional: 3,
      returns: 'integer',
      gplOnly: true,
      doc:
        'Prints a line with up to three arguments: %d %i %u %x %X %c (with l, ll, width, 0 + -), %s %pks %pus, %p %px %pK %ps %pS ' +
        '%pB, %pI4 %pi4 %pI6 %pi6. Bytes of the line, or -EINVAL for any other format.',
      body: (env, fmt, size, a, b, c) => print(env, fmt, size, [a, b, c]),
    }),
    helper({
      name: 'trace_vprintk',
      numbers: { linux: 177 },
      args: ['mem', 'size', 'memOrNull', 'sizeOrZero'],
      returns: 'integer',
      gplOnly: true,
      doc: 'As trace_printk with an array of up to 12 u64 arguments.',
      body: (env, fmt, size, data, length) => print(env, fmt, size, formatArguments(env, data, length)),
    }),
    helper({
      name: 'snprintf',
      numbers: { linux: 165 },
      args: ['memOutOrNull', 'sizeOrZero', 'constString', 'memOrNull', 'sizeOrZero'],
      returns: 'integer',
      gplOnly: true,
      doc: 'Formats into a buffer, cut to its size and ended by NUL; the bytes that it takes in full with the NUL, or -EINVAL.',
      body: (env, out, size, fmt, data, length) => {
        const args = formatArguments(env, data, length);
        if (typeof args === 'number') return args;
        const string = formatString(env, fmt, env.memory.u8.indexOf(0, fmt) + 1 - fmt);
        if (string === undefined) return -ERRNO.EINVAL;
        const line = format(env, string, args);
        if (typeof line === 'number') return line;
        if (size > 0) {
          const shown = line.subarray(0, size - 1);
          env.memory.u8.set(shown, out);
          env.memory.u8[out + shown.length] = 0;
        }
        return line.length + 1;
      },
    }),
    windowsRow(0),
    windowsRow(1),
    windowsRow(2),
    windowsRow(3),
  ],
};
