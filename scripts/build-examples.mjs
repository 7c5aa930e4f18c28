// Builds the example objects from their C with clang. `--check` builds into a temporary folder and compares with the
// committed objects instead: they come out the same wherever they are built with the same clang.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const examples = join(import.meta.dirname, '..', 'examples');
const { CLANG: clang = 'clang', LLVM_STRIP: strip = 'llvm-strip' } = process.env;
const check = process.argv.includes('--check');

const sources = readdirSync(examples, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.bpf.c') && statSync(join(examples, file)).isFile())
  .sort();

/** The folder as the compiler is called in it: no path of this machine gets into the object. */
function build(source, object) {
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
      `-ffile-prefix-map=${examples}=.`,
      '-c',
      source,
      '-o',
      object,
    ],
    { cwd: examples, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  // BTF stays, DWARF goes: it is only for debuggers and large.
  execFileSync(strip, ['-g', object], { stdio: 'inherit' });
}

const target = check ? mkdtempSync(join(tmpdir(), 'anybpf-examples-')) : undefined;
let different = 0;
try {
  for (const source of sources) {
    const committed = join(examples, source.replace(/\.c$/, '.o'));
    const object = target === undefined ? committed : join(target, source.replaceAll('/', '_').replace(/\.c$/, '.o'));
    build(source, object);
    if (target !== undefined && !readFileSync(object).equals(readFileSync(committed))) {
      different++;
      console.error(`${source}: the committed object is not what the source gives`);
    }
  }
} finally {
  if (target !== undefined) rmSync(target, { recursive: true });
}
console.log(`${sources.length} examples ${check ? `compared, ${different} different` : 'built'}`);
process.exitCode = different === 0 ? 0 : 1;
