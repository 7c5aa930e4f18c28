// Builds the example objects, and those of the verifier's tests, from their C with clang. `--check` builds into a temporary folder and compares with the
// committed objects instead: they come out the same wherever they are built with the same clang.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folders = ['examples', 'test/verify/refusals'].map((folder) => join(root, folder));
const { CLANG: clang = 'clang', LLVM_STRIP: strip = 'llvm-strip' } = process.env;
const check = process.argv.includes('--check');

const sources = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.bpf.c') && statSync(join(folder, file)).isFile())
    .sort()
    .map((file) => ({ folder, file })),
);

/** The folder as the compiler is called in it: no path of this machine gets into the object. */
function build({ folder, file }, object) {
  execFileSync(
    clang,
    [
      '-O2',
      '-g',
      '-target',
      'bpf',
      '-mcpu=v3',
      '-Wall',
      '-Werror',
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
try {
  for (const source of sources) {
    const { folder, file } = source;
    const committed = join(folder, file.replace(/\.c$/, '.o'));
    const object = target === undefined ? committed : join(target, file.replaceAll('/', '_').replace(/\.c$/, '.o'));
    build(source, object);
    if (target !== undefined && !readFileSync(object).equals(readFileSync(committed))) {
      different++;
      console.error(`${file}: the committed object is not what the source gives`);
    }
  }
} finally {
  if (target !== undefined) rmSync(target, { recursive: true });
}
console.log(`${sources.length} objects ${check ? `compared, ${different} different` : 'built'}`);
process.exitCode = different === 0 ? 0 : 1;
