// What has no counterpart to compare with: streams, batches, files, our own options, and a context's own hooks.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRuntime } from '../../../src/context/create.ts';
import type { ContextSession } from '../../../src/context/session.ts';
import { anybpf, example, type Outcome } from '../support.ts';

const DROP = example('drop-port');
const SAMPLER = example('sampler');
const COUNTERS = example('counters');

let runtime: ContextSession;
let folder: string;
beforeEach(() => {
  runtime = createRuntime();
  folder = mkdtempSync(path.join(tmpdir(), 'anybpf-commands-'));
});
afterEach(() => {
  runtime.context[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** `$T` is the test's folder. */
const run = (line: string, stdin?: string): Promise<Outcome> =>
  anybpf(line.replaceAll('$T', folder).split(' '), {
    session: async () => runtime.context.session(),
    ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
  });

async function json(line: string): Promise<unknown> {
  const { code, out } = await run(`${line} -j`);
  expect(code).toBe(0);
  return JSON.parse(out);
}

const done = async (line: string): Promise<string> => {
  const { code, out, err } = await run(line);
  expect({ line, code, err }).toEqual({ line, code: 0, err: '' });
  return out;
};

describe('options', () => {
  test('before the object, behind it, and behind the command', async () => {
    for (const line of ['-j map show', 'map -j show', 'map show --json', 'bpftool -j m s']) {
      expect(await run(line)).toMatchObject({ code: 0, out: '[]\n' });
    }
  });

  test('-d says why in our own words', async () => {
    const { code, err } = await run('map show pinned nothing -d');
    expect(code).toBe(255);
    expect(err).toMatch(/object\.get.*\nError: bpf obj get \(nothing\): No such file or directory\n$/s);
  });

  test('one that is not known shows the help', async () => {
    const { code, err } = await run('map show -z');
    expect(code).toBe(255);
    expect(err).toMatch(/^Error: unrecognized option '-z'\nUsage: anybpf \[OPTIONS\] OBJECT/);
  });

  test('without a service there is a sentence and a hint', async () => {
    const { code, out } = await anybpf(['-j', 'map', 'show', '--socket', path.join(folder, 'none.sock')]);
    expect(code).toBe(255);
    expect(JSON.parse(out).error).toMatch(/^no service answers at .*anybpf service start/);
  });

  test('a context of the command alone', async () => {
    expect(await anybpf(['map', 'show', '--host', 'embedded', '-j'])).toMatchObject({ code: 0, out: '[]\n' });
  });
});

describe('help', () => {
  test.each(['prog', 'map', 'link', 'cgroup', 'perf', 'net', 'feature', 'btf', 'gen', 'struct_ops', 'iter'])(
    '%s',
    async (group) => {
      const { code, out, err } = await run(`${group} help`);
      expect({ code, out }).toEqual({ code: 0, out: '' });
      expect(err).toMatch(new RegExp(`^Usage: anybpf ${group} `));
      expect(err).not.toContain('%');
    },
  );
});

describe('batch', () => {
  test('runs the lines until one fails', async () => {
    const lines =
      'map create $D type array key 4 value 4 entries 1 name a # a comment\n\nmap show name a\nmap show id 77\nmap show\n';
    const { code, out } = await run('bpftool -j batch file -', lines.replace('$D', 'a'));
    expect(code).toBe(255);
    const done = JSON.parse(out) as { readonly command: string[]; readonly output: unknown }[];
    expect(done.map(({ command }) => command.join(' '))).toEqual([
      'map create a type array key 4 value 4 entries 1 name a',
      'map show name a',
      'map show id 77',
    ]);
    expect(done[1].output).toMatchObject({ name: 'a', type: 'array' });
    expect(done[2].output).toEqual({ error: 'get map by id (77): No such file or directory' });
  });

  test('says how many', async () => {
    writeFileSync(path.join(folder, 'lines'), 'map show\nlink show\n');
    expect(await run('bpftool batch file $T/lines')).toMatchObject({ code: 0, err: 'processed 2 commands\n' });
  });
});

describe('files', () => {
  test('instructions and code', async () => {
    await done(`prog load ${DROP} drop`);
    await done('prog dump xlated pinned drop file $T/xlated');
    const shown = (await json('prog show pinned drop')) as { readonly bytes_xlated: number };
    expect(readFileSync(path.join(folder, 'xlated')).length).toBe(shown.bytes_xlated);
    const { code, err } = await run('prog dump xlated pinned drop file $T/no/folder');
    expect({ code, err }).toEqual({
      code: 255,
      err: `Error: can't open file ${folder}/no/folder: No such file or directory\n`,
    });
  });

  test('what a run gives goes to a file', async () => {
    await done(`prog load ${DROP} drop`);
    writeFileSync(path.join(folder, 'frame'), new Uint8Array(64).fill(7));
    await done('prog run pinned drop data_in $T/frame data_out $T/out');
    expect([...readFileSync(path.join(folder, 'out'))]).toEqual(Array.from({ length: 64 }, () => 7));
    expect(await run('prog run pinned drop data_in $T/frame data_out $T/no/out')).toMatchObject({ code: 255 });
  });

  test('an object that is refused: libbpf would say why on standard error', async () => {
    writeFileSync(path.join(folder, 'x.o'), 'this is not an object');
    const { code, out, err } = await run('-j prog load $T/x.o x');
    expect({ code, out }).toEqual({ code: 255, out: '{"error":"failed to open object file"}\n' });
    expect(err).toMatch(/^anybpf: .*not an ELF64 object.*\n$/);
  });

  test('all or none are pinned', async () => {
    await done(`map create p/totals type array key 4 value 4 entries 1 name x`);
    expect(await run(`prog load ${DROP} q pinmaps p`)).toMatchObject({
      code: 255,
      err: expect.stringContaining('failed to pin all maps'),
    });
    const pins = (await runtime.call('object.pins', { below: 'p' })).pins.map((each) => path.basename(each.path));
    expect(pins).toEqual(['totals']);
    expect((await runtime.call('object.pins', {})).pins.length).toBe(1);
  });
});

/** Ends what listens for an interrupt, as the terminal would. */
async function interrupted(work: Promise<Outcome>, meanwhile: () => Promise<unknown>): Promise<Outcome> {
  const before = process.listenerCount('SIGINT');
  await expect.poll(() => process.listenerCount('SIGINT')).toBeGreaterThan(before);
  await meanwhile();
  // Events of the session come in turns of their own.
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.emit('SIGINT');
  return work;
}

describe('streams', () => {
  const frame = new Uint8Array(64).fill(1);

  async function sampled(options: string): Promise<Outcome> {
    await done(`prog load ${SAMPLER} sampler pinmaps maps`);
    writeFileSync(path.join(folder, 'frame'), frame);
    return interrupted(run(`map event_pipe pinned maps/events${options}`), () =>
      done('prog run pinned sampler data_in $T/frame repeat 64'),
    );
  }

  test('event_pipe as text', async () => {
    const { code, out } = await sampled('');
    expect(code).toBe(0);
    expect(out).toMatch(/^== @\d+\.\d{9} CPU: -?\d+ index: -?\d+ =====\n[0-9a-f]{2} /);
  });

  test('event_pipe as JSON', async () => {
    const { out } = await sampled(' -j');
    const records = JSON.parse(out) as { readonly type: number; readonly data: string[] }[];
    expect(records.length).toBeGreaterThan(0);
    expect(records[0]).toMatchObject({
      type: 9,
      data: expect.arrayContaining([expect.stringMatching(/^0x[0-9a-f]{2}$/)]),
    });
  });

  test('event_pipe of another map', async () => {
    await done('map create a type array key 4 value 4 entries 1 name a');
    expect(await run('map event_pipe pinned a')).toMatchObject({
      code: 255,
      err: 'Error: map is not a perf event array\n',
    });
    expect(await run('map event_pipe pinned a cpu 1')).toMatchObject({ code: 255 });
  });

  test('tracelog', async () => {
    const object = readFileSync('test/windows/programs/hello_world.bpf.o');
    const { programs } = await runtime.call('object.load', { object, name: 'hello_world' });
    await runtime.call('prog.attach', { fd: programs[0].fd, attachType: 'bind', target: {} });
    const { code, out } = await interrupted(run('prog tracelog'), () =>
      runtime.call('hook.fire', { attachType: 'bind', data: Buffer.from('app') }),
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^ *<\.\.\.>-\d+ +\[\d{3}\] \.{5} +\d+\.\d{6}: bpf_trace_printk: .*\n$/);
  });

  test('profile', async () => {
    await done(`prog load ${COUNTERS} count`);
    writeFileSync(path.join(folder, 'frame'), frame);
    const { out } = await interrupted(run('prog profile pinned count run_time_ns -j'), () =>
      done('prog run pinned count data_in $T/frame repeat 5'),
    );
    expect(JSON.parse(out)).toEqual([expect.objectContaining({ metric: 'run_time_ns', run_cnt: 5 })]);
    expect(await run('prog profile pinned count cycles')).toMatchObject({
      code: 255,
      err: 'Error: cycles is a counter of the processor: not here\n',
    });
    expect(await run('prog profile pinned count duration 0 run_cnt')).toMatchObject({
      code: 0,
      out: '\n                 0 run_cnt\n',
    });
  });
});

describe('hooks of the context', () => {
  test('links', async () => {
    const object = readFileSync(DROP);
    const { programs } = await runtime.call('object.load', { object, name: DROP });
    const { fd } = await runtime.call('link.create', { fd: programs[0].fd, attachType: 'xdp', target: { ifindex: 1 } });
    await runtime.call('object.pin', { fd, path: 'links/first' });
    const [link] = (await json('link show -f')) as Record<string, unknown>[];
    expect(link).toMatchObject({
      type: 'xdp',
      prog_id: programs[0].id,
      ifindex: 1,
      pinned: ['/sys/fs/bpf/links/first'],
    });
    expect(await done('link show pinned links/first')).toMatch(/^\d+: xdp {2}prog \d+ {2}\n\tifindex .*\(1\) {2}\n$/);
    expect(await json('net show dev 1')).toMatchObject([
      { xdp: [{ ifindex: 1, id: programs[0].id, link_id: link.id }] },
    ]);
    await done(`link pin id ${link.id} links/second`);
    await done('link detach pinned links/second');
    expect(await json('link show pinned links/first')).toMatchObject({ devname: '(detached)', ifindex: 0, prog_id: 0 });
    expect(await run('link detach pinned links/second')).toMatchObject({ code: expect.any(Number) });
  });

  test('a program attached by its section, the link pinned in its place', async () => {
    const object = path.join(folder, 'raw.o');
    writeFileSync(path.join(folder, 'raw.asm'), 'r0 = 0\nexit\n');
    await done(`asm $T/raw.asm -o ${object} --section raw_tp/sys_enter`);
    await done(`prog load ${object} raw autoattach`);
    expect(await json('link show pinned raw')).toMatchObject({ type: 'raw_tracepoint', tp_name: 'sys_enter' });
    expect(await json('perf show')).toMatchObject([{ fd_type: 'raw_tracepoint', tracepoint: 'sys_enter' }]);
    const { code, err } = await run(`prog load ${DROP} drop autoattach`);
    expect({ code, err }).toEqual({
      code: 0,
      err: 'Program drop_port does not support autoattach, falling back to pinning\n',
    });
  });

  test('tcx', async () => {
    await done(`prog load ${COUNTERS} count`);
    await done('net attach tcx_ingress pinned count dev 7');
    expect(await json('net show dev 7')).toMatchObject([{ tc: [{ ifindex: 7, kind: 'tcx/ingress' }] }]);
    await done('net detach tcx_ingress dev 7');
    expect(await json('net show dev 7')).toMatchObject([{ tc: [] }]);
    expect(await run('net detach tcx_ingress dev 7')).toMatchObject({ code: 254 });
  });

  test('cgroups', async () => {
    await done('prog load examples/portable/bind_ports.linux.bpf.o bind4');
    await done('cgroup attach /sys/fs/cgroup/a/b bind4 pinned bind4 multi');
    const row = { attach_type: 'cgroup_inet4_bind', attach_flags: 'multi' };
    expect(await json('cgroup show /a/b')).toMatchObject([row]);
    expect(await json('cgroup show /sys/fs/cgroup/a/b/c effective')).toMatchObject([row]);
    expect(await json('cgroup show /a')).toEqual([]);
    expect(await json('cgroup tree /a/b')).toMatchObject([{ cgroup: '/a/b', programs: [row] }]);
    expect(await done('cgroup show /a/b')).toMatch(
      /^ID {7}AttachType {6}AttachFlags {5}Name {11}\n\d+ +cgroup_inet4_bind multi/,
    );
    await done('cgroup detach /a/b cgroup_inet4_bind pinned bind4');
    expect(await json('cgroup show /a/b')).toEqual([]);
    expect(await run('cgroup detach /a/b bind4 pinned bind4')).toMatchObject({
      code: 255,
      err: 'Error: failed to detach program\n',
    });
  });

  test('features', async () => {
    expect(await json('feature probe')).toMatchObject({
      program_types: { have_xdp_prog_type: true },
      map_types: { have_hash_map_type: true },
      helpers: { xdp_available_helpers: expect.arrayContaining(['bpf_map_lookup_elem', 'bpf_xdp_adjust_head']) },
      misc: { have_bounded_loops: true },
    });
    expect(await done('feature probe kernel')).toContain('eBPF map_type hash is available\n');
    const macros = await done('feature probe macros prefix XX_');
    expect(macros).toContain('#define XX_HAVE_XDP_PROG_TYPE\n');
    expect(macros).toContain('#define XX_BPF__PROG_TYPE_xdp__HELPER_bpf_xdp_adjust_head 1\n');
    expect(await json('feature list_builtins map_types')).toEqual(expect.arrayContaining(['unspec', 'hash', 'arena']));
    expect(await json('feature list_builtins helpers')).toEqual(
      expect.arrayContaining(['bpf_unspec', 'bpf_map_lookup_elem']),
    );
  });
});
