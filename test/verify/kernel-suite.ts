// The kernel's own annotated verifier tests (tools/testing/selftests/bpf/progs of Linux 6.12): fetched from Debian's
// linux-source-6.12, compiled by clang-19, kept in a cache folder outside the project. They are GPL-2.0: nothing of them
// enters the repository, and they describe themselves, by BTF decl tags (bpf_misc.h there), so that none has to.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeBtf } from '../../src/btf/decode.ts';
import type { Btf } from '../../src/btf/btf.ts';
import { relocateProgram } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';

const PACKAGE = 'linux-source-6.12';
const CLANG = 'clang-19';
const SELFTESTS = 'tools/testing/selftests/bpf';

/** What of the tree is unpacked. */
const PARTS = [SELFTESTS, 'tools/lib/bpf', 'tools/include', 'include/uapi', 'scripts/bpf_doc.py'];

/** Says that the folder is whole; another text is another way to make it. */
const STAMP = `${PACKAGE}, ${CLANG}, 1`;

/** ANYBPF_CACHE, or the folder for temporary files. */
const cacheFolder = (): string => path.join(process.env['ANYBPF_CACHE'] ?? tmpdir(), 'anybpf-linux-suite');

class StepFailed extends Error {}

function run(command: string, args: readonly string[], cwd: string, seconds: number): SpawnSyncReturns<string> {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: seconds * 1000, maxBuffer: 1 << 26 });
  if (done.error !== undefined) throw new StepFailed(`${command}: ${done.error.message}`);
  if (done.status !== 0) throw new StepFailed(`${command} ended with ${done.status}: ${done.stderr.slice(0, 300)}`);
  return done;
}

/** 150 MB. Where the lists of packages are old or missing, they are fetched first. */
function download(folder: string): void {
  try {
    run('apt-get', ['download', PACKAGE], folder, 300);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    run('apt-get', ['update', '-qq'], folder, 120);
    run('apt-get', ['download', PACKAGE], folder, 300);
  }
}

/** Downloads and unpacks what the tests need of the kernel's tree. */
function unpack(folder: string): string {
  const tree = path.join(folder, PACKAGE);
  if (existsSync(path.join(tree, PARTS[0]))) return tree;
  const isPackage = (name: string): boolean => name.startsWith(PACKAGE) && name.endsWith('.deb');
  if (!readdirSync(folder).some(isPackage)) download(folder);
  const archive = readdirSync(folder).find(isPackage);
  if (archive === undefined) throw new StepFailed(`apt-get download ${PACKAGE} left no package`);
  const script = `set -e; dpkg-deb --fsys-tarfile '${archive}' | tar xO --wildcards '*/${PACKAGE}.tar.xz' |
    tar xJ ${PARTS.map((part) => `'${PACKAGE}/${part}'`).join(' ')}`;
  run('bash', ['-o', 'pipefail', '-c', script], folder, 300);
  return tree;
}

/** libbpf's headers of that tree, and vmlinux.h of the running kernel. */
function headers(folder: string, tree: string): string {
  const include = path.join(folder, 'include');
  mkdirSync(path.join(include, 'bpf'), { recursive: true });
  const library = path.join(tree, 'tools/lib/bpf');
  for (const name of readdirSync(library)) {
    if (name.endsWith('.h')) cpSync(path.join(library, name), path.join(include, 'bpf', name));
  }
  const uapi = path.join(tree, 'include/uapi/linux/bpf.h');
  const helpers = run('python3', [path.join(tree, 'scripts/bpf_doc.py'), '--header', '--filename', uapi], folder, 60);
  writeFileSync(path.join(include, 'bpf/bpf_helper_defs.h'), helpers.stdout);
  const types = run('bpftool', ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux', 'format', 'c'], folder, 60);
  writeFileSync(path.join(include, 'vmlinux.h'), types.stdout);
  return include;
}

/** Compiles all files with annotations, as many at once as there are processors. */
function compile(folder: string, tree: string, include: string): void {
  const tests = path.join(tree, SELFTESTS);
  const objects = path.join(folder, 'objects');
  mkdirSync(objects, { recursive: true });
  const annotated = readdirSync(path.join(tests, 'progs')).filter(
    (name) =>
      name.endsWith('.c') && /\b__(success|failure)\b/.test(readFileSync(path.join(tests, 'progs', name), 'utf8')),
  );
  const search = [include, tests, path.join(tests, 'progs')].concat(
    ['tools/include/uapi', 'tools/include'].map((part) => path.join(tree, part)),
  );
  const options = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-w', '-D__TARGET_ARCH_x86', '-DENABLE_ATOMICS_TESTS']
    .concat(search.map((part) => `-I${part}`))
    .concat('-idirafter', '/usr/include/x86_64-linux-gnu');
  const one = `${CLANG} ${options.map((option) => `'${option}'`).join(' ')} -c '${tests}/progs/'"$0".c -o '${objects}/'"$0".o`;
  const names = annotated.map((name) => name.slice(0, -2)).join(' ');
  // A file that this compiler cannot translate is missing afterwards; the test counts the files.
  run(
    'bash',
    ['-c', `echo ${names} | tr ' ' '\\n' | xargs -P "$(nproc)" -n 1 bash -c "$1" || true`, '-', one],
    folder,
    600,
  );
}

let made: { readonly folder: string } | { readonly reason: string } | undefined;

/** The folder of the compiled suite, or why there is none. The first call makes it: about a minute, 150 MB to download. */
export function kernelSuite(): { readonly folder: string } | { readonly reason: string } {
  made ??= make(cacheFolder());
  return made;
}

function make(folder: string): { readonly folder: string } | { readonly reason: string } {
  const stamp = path.join(folder, 'stamp');
  try {
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== STAMP) {
      mkdirSync(folder, { recursive: true });
      run(CLANG, ['--version'], folder, 20);
      const tree = unpack(folder);
      compile(folder, tree, headers(folder, tree));
      writeFileSync(stamp, STAMP);
    }
    return { folder: path.join(folder, 'objects') };
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    return { reason: error.message };
  }
}

/** One annotated program. */
export interface SuiteTest {
  /** `file/program`. */
  readonly name: string;
  readonly object: ObjectSpec;
  readonly program: ProgramSpec;
  /** Whether Linux accepts it, loaded with all privileges. */
  readonly accepted: boolean;
  /** Parts of the verifier's log, in the order in which they stand there. */
  readonly messages: readonly string[];
  /** What BPF_PROG_TEST_RUN gives on 64 zero bytes. */
  readonly returns: number | undefined;
  /** Flags of BPF_PROG_LOAD beyond those of the section, e.g. BPF_F_STRICT_ALIGNMENT. */
  readonly flags: readonly string[];
}

/** Annotations whose value is not a number by itself (bpf_misc.h). */
const POINTER_VALUE = 0xbadcafe;
const TEST_DATA_LEN = 64;

function returned(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === 'POINTER_VALUE') return undefined;
  const value = text === 'TEST_DATA_LEN' ? TEST_DATA_LEN : text === 'INT_MIN' ? -(2 ** 31) : Number(text);
  return value === POINTER_VALUE || Number.isNaN(value) ? undefined : value >>> 0;
}

const TAG = 'comment:test_';

function testOf(file: string, object: ObjectSpec, program: ProgramSpec): SuiteTest | undefined {
  const tags = program.tags.filter((tag) => tag.startsWith(TAG)).map((tag) => tag.slice(TAG.length));
  const values = (name: string): string[] =>
    tags.filter((tag) => tag.startsWith(`${name}=`)).map((tag) => tag.slice(name.length + 1));
  const accepted = tags.includes('expect_success');
  if (!accepted && !tags.includes('expect_failure')) return undefined;
  const architectures = values('arch');
  if (architectures.length > 0 && !architectures.includes('X86_64')) return undefined;
  return {
    name: `${file}/${program.name}`,
    object,
    program,
    accepted,
    messages: values('expect_msg').map((text) => text.replace(/^\d+=/, '')),
    returns: returned(values('retval').at(-1)),
    flags: values('prog_flags'),
  };
}

/** All annotated programs, with their CO-RE relocations applied for the running kernel. */
export function suiteTests(folder: string): SuiteTest[] {
  const kernel: Btf = decodeBtf(readFileSync('/sys/kernel/btf/vmlinux'), { place: { file: 'vmlinux' } });
  const cache = new Map();
  return readdirSync(folder)
    .filter((name) => name.endsWith('.o'))
    .sort()
    .flatMap((name) => {
      const file = name.slice(0, -2);
      const object = linkObject(readFileSync(path.join(folder, name)), { name: file });
      const { btf } = object;
      return object.programs.flatMap((program) => {
        const relocated =
          program.core.length === 0 || btf === undefined ? program : relocateProgram(program, btf, [kernel], cache);
        return testOf(file, object, relocated) ?? [];
      });
    });
}
