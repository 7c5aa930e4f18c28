// Skeletons of the examples and of the corpus's objects: they are TypeScript that compiles, and say what the object has.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { linkObject } from '../../src/link/link.ts';
import { generateSkeleton, objectName } from '../../src/skeleton/generate/file.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { buildObject, hasClang } from './support.ts';

const EXAMPLES = path.join(PROJECT_ROOT, 'examples');
const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-skeleton-'));
afterAll(() => rmSync(folder, { recursive: true }));

const producer = 'anybpf gen skeleton';
const read = (file: string): Uint8Array => new Uint8Array(readFileSync(file));

/** Compiles everything in the folder at once, as strict as a user may be; what is wrong with the generated files. */
function typeCheck(): string {
  const source = path.join(PROJECT_ROOT, 'src/skeleton');
  writeFileSync(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2023',
        module: 'NodeNext',
        moduleResolution: 'NodeNext',
        lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
        types: [],
        strict: true,
        erasableSyntaxOnly: true,
        verbatimModuleSyntax: true,
        isolatedModules: true,
        noUnusedLocals: true,
        noUncheckedIndexedAccess: true,
        exactOptionalPropertyTypes: true,
        allowImportingTsExtensions: true,
        noEmit: true,
        skipLibCheck: true,
        paths: { 'anybpf/skeleton': [`${source}/skeleton.ts`], 'anybpf/skeleton/*': [`${source}/*.ts`] },
      },
      include: ['*.ts'],
    }),
  );
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  try {
    execFileSync(path.join(PROJECT_ROOT, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: folder, encoding: 'utf8' });
    return '';
  } catch (error) {
    // Our own sources need not be as strict: users see declarations of them.
    const { stdout } = error as { readonly stdout: string };
    return stdout
      .split('\n')
      .filter((line) => /^[\w-]+\.ts\(/.test(line) || line.startsWith('error'))
      .join('\n');
  }
}

const corpus = corpusFolder();
const objects = [
  ...filesBelow(EXAMPLES, '.bpf.o').map((file) => path.join(EXAMPLES, file)),
  ...('path' in corpus
    ? [...filesBelow(corpus.path, '.o'), ...filesBelow(corpus.path, '.elf')].map((file) => path.join(corpus.path, file))
    : []),
];

describe('skeletons', () => {
  const made: { readonly file: string; readonly text: string }[] = [];
  const refused: string[] = [];

  beforeAll(async () => {
    for (const [i, file] of objects.entries()) {
      try {
        const text = await generateSkeleton(read(file), { file, producer, embed: false });
        made.push({ file, text });
        writeFileSync(path.join(folder, `${i}.ts`), text);
      } catch (error) {
        if (!(error instanceof AnyBpfError)) throw error;
        refused.push(error.code);
      }
    }
  });

  it('are made of every object that links, is little-endian and has maps that are understood', () => {
    expect(made.length).toBeGreaterThanOrEqual('path' in corpus ? 140 : 5);
    for (const code of refused) expect(code).toMatch(/^(elf|btf|link|input|skeleton)\//);
  });

  it('name every program, map and data section', () => {
    for (const { file, text } of made) {
      const spec = linkObject(read(file), { name: file });
      for (const { name } of spec.programs) expect(text).toContain(`    ${name}: { section:`);
      for (const { name, kind } of spec.maps)
        if (kind === 'map') expect(text).toMatch(new RegExp(`^ {4}${name}: `, 'm'));
      for (const { section, kind } of spec.maps) if (kind !== 'map') expect(text).toContain(`section('${section}'`);
    }
  });

  it.skipIf('reason' in corpus)(`compile, all of them${'reason' in corpus ? ` (${corpus.reason})` : ''}`, () => {
    expect(typeCheck()).toBe('');
  });

  it('is this for an example', async () => {
    const file = path.join(EXAMPLES, 'sampler/sampler.bpf.o');
    const text = await generateSkeleton(read(file), { file, producer, name: 'sampler', embed: false });
    await expect(text).toMatchFileSnapshot('golden/sampler.ts.txt');
  });

  it('carries the object where it is to', async () => {
    const file = path.join(EXAMPLES, 'sampler/sampler.bpf.o');
    const text = await generateSkeleton(read(file), { file, producer });
    const carried = /OBJECT = `([^`]*)`/.exec(text)?.[1] ?? '';
    expect(new Uint8Array(Buffer.from(carried, 'base64'))).toEqual(read(file));
  });
});

describe('types', () => {
  it('are exact: what does not fit is an error of the compiler', async () => {
    for (const example of ['sampler', 'lpm_block', 'counters', 'tail_parser']) {
      const file = path.join(EXAMPLES, example.replaceAll('_', '-'), `${example}.bpf.o`);
      const text = await generateSkeleton(read(file), { file, producer, name: example, embed: false });
      writeFileSync(path.join(folder, `${example}.ts`), text);
    }
    writeFileSync(path.join(folder, 'usage.ts'), USAGE);
    expect(typeCheck()).toBe('');
  });
});

/** What a user writes; each line below a `@ts-expect-error` must be one. */
const USAGE = `
import { counters } from './counters.ts';
import { lpm_block } from './lpm_block.ts';
import { Event, sampler } from './sampler.ts';
import { tail_parser } from './tail_parser.ts';

type Session = Parameters<ReturnType<typeof sampler.open>['load']>[0];

export async function use(session: Session, bytes: Uint8Array): Promise<bigint> {
  const opened = sampler.open(bytes);
  opened.globals.rodata.set({ every: 5 });
  // @ts-expect-error a number
  opened.globals.rodata.set({ every: '5' });
  // @ts-expect-error no such variable
  opened.globals.rodata.set({ evry: 5 });
  // @ts-expect-error no such section
  opened.globals.data;
  opened.programs.sample.autoload = true;
  // @ts-expect-error no such program
  opened.programs.sampel;
  await using loaded = await opened.load(session, { execution: 'jit' });
  await loaded.attach({ sample: { ifindex: 1 } });
  // @ts-expect-error no such program
  await loaded.attach({ sampel: { ifindex: 1 } });
  const packets: bigint = await loaded.globals.bss.get('packets');
  for await (const { value } of loaded.maps.events.records(Event)) {
    const header: Uint8Array = value.header;
    // @ts-expect-error 64 bits are a bigint
    const number: number = value.number;
    void [header, number];
  }
  await using block = await lpm_block.open(bytes).load(session);
  const hits = await block.maps.blocked4.lookup({ prefix: 8, address: bytes });
  const seen: bigint = hits?.packets ?? 0n;
  // @ts-expect-error a key has all its members
  await block.maps.blocked4.lookup({ prefix: 8 });
  // @ts-expect-error no ring
  block.maps.blocked4.records;
  await using counting = await counters.open(bytes).load(session);
  const sum = (await counting.maps.protocols.lookup(6))?.reduce((all, { bytes }) => all + bytes, 0n);
  await using parser = await tail_parser.open(bytes).load(session);
  await parser.maps.layers.set(0, parser.programs.parse_vlan);
  for await (const [flow, count] of parser.maps.flows) void (flow.destination_port + Number(count));
  return packets + seen + (sum ?? 0n);
}
`;

describe('names', () => {
  it.each([
    ['a/b/my-probe.bpf.o', 'my_probe_bpf'],
    ['C:\\x\\probe.o', 'probe'],
    ['.o', 'object'],
  ])('of %s: %s', (file, name) => expect(objectName(file)).toBe(name));
});

describe('types that C can say and TypeScript cannot', () => {
  it.skipIf(!hasClang())(
    'are told apart: names that the file needs itself, words of the language, strange layouts',
    async () => {
      const object = buildObject(`
      typedef unsigned char u8; typedef unsigned int u32; typedef unsigned long long u64; typedef long long s64;
      struct Codec { u32 array; } codec;
      struct map { u64 __proto__; u32 constructor; u32 class; } map;
      struct string { u32 a; } string;
      enum at { NONE, struct_ = 5, BIG = 0x7fffffff } at;
      enum wide { WIDE = 1ull << 40 } wide;
      typedef struct { s64 x; signed char text[4]; char name[8]; u8 raw[3]; } unnamed;
      unnamed u;
      struct outer {
        u32 low : 3, high : 29;
        u64 big : 40; s64 negative : 20;
        _Bool flag; enum at kind : 4;
        union { struct { u32 v4; u32 port; }; u8 v6[16]; u64 both[2]; };
        union { float f; double d; } number;
        int (*callback)(int); struct outer *next; u32 grid[2][3];
        __int128 huge; u32 rest[];
      };
      struct outer outer[2];
    `);
      const text = await generateSkeleton(object, { file: 'strange.o', producer, name: 'class' });
      await expect(text.replace(/digest: '.*'|OBJECT = `[^`]*`/g, '...')).toMatchFileSnapshot('golden/strange.ts.txt');
      writeFileSync(path.join(folder, 'strange.ts'), text);
      expect(typeCheck()).toBe('');
    },
  );
});
