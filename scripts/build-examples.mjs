// Builds the example objects, and those of the verifier's tests, from their C with clang. `--check` builds into a temporary folder and compares with the
// committed objects instead: they come out the same wherever they are built with the same clang.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const folders = ['examples', 'test/verify/refusals', 'test/windows/programs', 'test/sockets/programs'].map((folder) =>
  join(root, folder),
);
const { CLANG: clang = 'clang', LLVM_STRIP: strip = 'llvm-strip' } = process.env;
const check = process.argv.includes('--check');

const sources = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.bpf.c') && statSync(join(folder, file)).isFile())
    .sort()
    .map((file) => ({ folder, file })),
);

const WINDOWS = '-DANYBPF_TARGET_WINDOWS';

/** How a source is built: what its objects' names have before .bpf.o, and flags. Sources in examples/portable are built for each system. */
function variantsOf({ folder, file }) {
  if (file.startsWith('portable/')) {
    return [
      ['.linux', ['-mcpu=v3', '-DANYBPF_TARGET_LINUX']],
      ['.windows', ['-mcpu=v3', WINDOWS]],
      ['.anybpf', ['-mcpu=v3']],
    ];
  }
  if (folder.endsWith('test/sockets/programs')) {
    return [
      ['.linux', ['-mcpu=v3', '-DANYBPF_TARGET_LINUX']],
      ['.windows', ['-mcpu=v3', WINDOWS]],
    ];
  }
  // Windows' own sources are built for the first instruction set level.
  if (folder.endsWith('test/windows/programs')) return [['', ['-mcpu=v1', WINDOWS]]];
  return [['', /^(port-quota|sample-extension)\//.test(file) ? ['-mcpu=v3', WINDOWS] : ['-mcpu=v3']]];
}

/** The folder as the compiler is called in it: no path of this machine gets into the object. */
function build({ folder, file }, flags, object) {
  execFileSync(
    clang,
    [
      '-O2',
      '-g',
      '-target',
      'bpf',
      ...flags,
      '-Wall',
      '-Werror',
      '-I',
      relative(folder, join(root, 'include')),
      `-ffile-prefix-map=${folder}=.`,
      '-c',
      file,
      '-o',
      object,
    ],
    { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  // BTF stays, DWARF goes: it is only for debuggers and large.
  execFileSync(strip, ['-g', object], { stdio: 'inherit' });
}

const target = check ? mkdtempSync(join(tmpdir(), 'anybpf-examples-')) : undefined;
let different = 0;
let objects = 0;
try {
  for (const source of sources) {
    const { folder, file } = source;
    for (const [variant, flags] of variantsOf(source)) {
      const name = file.replace(/\.bpf\.c$/, `${variant}.bpf.o`);
      const committed = join(folder, name);
      const object = target === undefined ? committed : join(target, name.replaceAll('/', '_'));
      build(source, flags, object);
      objects++;
      if (target !== undefined && !readFileSync(object).equals(readFileSync(committed))) {
        different++;
        console.error(`${name}: the committed object is not what the source gives`);
      }
    }
  }
} finally {
  if (target !== undefined) rmSync(target, { recursive: true });
}
console.log(`${objects} objects ${check ? `compared, ${different} different` : 'built'}`);
process.exitCode = different === 0 ? 0 : 1;
