// Whatever the words are, there is an answer: an exit code of bpftool's, JSON that is JSON, and no error of another kind.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRuntime } from '../../../src/context/create.ts';
import { anybpf, example } from '../support.ts';

/** Without those that wait for an interrupt, and those that write files. */
const COMMANDS = ['show', 'list', 'dump', 'create', 'update', 'lookup', 'getnext', 'delete', 'pin', 'load', 'loadall'];
const MORE = ['attach', 'detach', 'run', 'peek', 'push', 'pop', 'freeze', 'probe', 'list_builtins', 'tree', 'register'];
const OBJECTS = ['prog', 'map', 'link', 'cgroup', 'perf', 'net', 'feature', 'btf', 'struct_ops', 'iter', 'm', 'p', ''];
const WORDS = [
  ...`
    id name tag pinned key value hex any exist noexist type entries flags inner_map dev lo xdp
    tcx_ingress overwrite xlated jited opcodes linum visual data_in repeat hash array queue prog_array
    format c raw kv pinmaps autoattach multi cgroup_inet_ingress effective / m q pa 0 1 2 4 255 256 0x10
    -1
  `
    .trim()
    .split(/\s+/),
  '99999999999',
  'x',
  "'",
  '"',
  '\\',
  '\u0000',
  '..',
  example('drop-port'),
];

test('any words', async () => {
  const { context } = createRuntime();
  const session = async () => context.session();
  for (const [name, type, rest] of [
    ['m', 'hash', 'key 4 value 4 entries 4'],
    ['q', 'queue', 'value 4 entries 2'],
    ['pa', 'prog_array', 'key 4 value 4 entries 2'],
  ]) {
    const words = `map create ${name} type ${type} ${rest} name ${name}`.split(' ');
    expect(await anybpf(words, { session })).toMatchObject({ code: 0 });
  }
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...OBJECTS),
      fc.constantFrom(...COMMANDS, ...MORE),
      fc.array(fc.constantFrom(...WORDS), { maxLength: 14 }),
      async (object, command, words) => {
        const { code, out } = await anybpf(['bpftool', '-j', '--', object, command, ...words], { session });
        expect(code).toBeGreaterThanOrEqual(0);
        expect(code).toBeLessThanOrEqual(255);
        if (out !== '') JSON.parse(out);
      },
    ),
    { numRuns: 600 },
  );
  context[Symbol.dispose]();
});
