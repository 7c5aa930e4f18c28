// The part of a kernel's BTF for some objects: their relocations come out the same, and little is left of the rest.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { minimalBtf } from '../../src/btf/minimal.ts';
import { relocateObject } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import { anybpf } from '../cli/support.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-minimal-'));
afterAll(() => rmSync(folder, { recursive: true }));

const KERNEL = '/sys/kernel/btf/vmlinux';
const corpus = corpusFolder();

/** The kernel's own types, or those of the corpus. */
function kernelTypes(): Uint8Array | undefined {
  if (existsSync(KERNEL)) return new Uint8Array(readFileSync(KERNEL));
  if ('reason' in corpus) return undefined;
  const [file] = filesBelow(corpus.path, '.gz').filter((name) => name.includes('vmlinux'));
  return file === undefined ? undefined : new Uint8Array(gunzipSync(readFileSync(path.join(corpus.path, file))));
}

const types = kernelTypes();

describe.skipIf(types === undefined || 'reason' in corpus)('for every object of the corpus that relocates', () => {
  it('the programs are the same as with the whole kernel', () => {
    if (types === undefined || 'reason' in corpus) throw new Error('skipped');
    const target = decodeBtf(types);
    let compared = 0;
    for (const name of [...filesBelow(corpus.path, '.o'), ...filesBelow(corpus.path, '.elf')]) {
      let spec;
      let bytes: Uint8Array;
      try {
        spec = linkObject(new Uint8Array(readFileSync(path.join(corpus.path, name))), { name });
        const relocations = spec.programs.flatMap(({ core }) => core.map(({ relocation }) => relocation));
        if (spec.btf === undefined || relocations.length === 0) continue;
        bytes = minimalBtf(target, [{ btf: spec.btf, relocations }]);
      } catch (error) {
        if (!(error instanceof AnyBpfError)) throw error;
        expect(error.code).not.toBe('btf/minimal');
        continue;
      }
      const part = decodeBtf(bytes);
      expect(bytes.length).toBeLessThan(types.length / 10);
      const [whole, less] = [relocateObject(spec, [target]), relocateObject(spec, [part])];
      const usesIds = spec.programs.some(({ core }) =>
        core.some(({ relocation }) => relocation.kind === 'type_id_target'),
      );
      for (const [i, program] of whole.programs.entries()) {
        expect(less.programs[i].poisoned?.length, name).toBe(program.poisoned?.length);
        if (!usesIds) expect(less.programs[i].code, `${name} ${program.name}`).toEqual(program.code);
      }
      compared++;
    }
    expect(compared).toBeGreaterThan(5);
  });
});

const SOURCE = `
struct inner { int a; long b; } __attribute__((preserve_access_index));
struct task_struct { int pid; int tgid; struct task_struct *group_leader; struct { unsigned long sig[1]; } blocked; } __attribute__((preserve_access_index));
__attribute__((section("raw_tp/x"), used)) int program(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	return task->group_leader->tgid + task->pid + __builtin_preserve_field_info(task->blocked.sig[0], 0);
}
char _license[] __attribute__((section("license"), used)) = "GPL";
`;

const hasBpftool = spawnSync('bpftool', ['version'], { stdio: 'ignore' }).status === 0;
const hasTools = existsSync(KERNEL) && existsSync('/usr/bin/clang');

it.skipIf(!hasTools)('the command writes it: raw BTF that another reader takes', async () => {
  const source = path.join(folder, 'task.bpf.c');
  writeFileSync(source, SOURCE);
  const object = path.join(folder, 'task.bpf.o');
  execFileSync('clang', ['-target', 'bpf', '-O2', '-g', '-c', source, '-o', object]);
  const out = path.join(folder, 'min.btf');
  expect(await anybpf(['gen', 'min_core_btf', KERNEL, out, object])).toMatchObject({ code: 0, out: '', err: '' });
  const part = decodeBtf(new Uint8Array(readFileSync(out)));
  const id = part.findByName('task_struct', 'struct') ?? 0;
  const type = part.type(id);
  if (type.kind !== 'struct') throw new Error('no struct');
  expect(type.members.map(({ name }) => name).sort()).toEqual(['blocked', 'group_leader', 'pid', 'tgid']);
  expect(part.sizeOf(id)).toBeGreaterThan(1000);
  expect(part.findByName('list_head')).toBeUndefined();
  if (hasBpftool) {
    const dump = execFileSync('bpftool', ['btf', 'dump', 'file', out], { encoding: 'utf8' });
    expect(dump).toContain("STRUCT 'task_struct'");
  }
  expect((await anybpf(['gen', 'min_core_btf', KERNEL, out])).err).toContain('at least 3');
});
