// Completion: the script is sourced by a real bash and asked what may come next.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GROUPS } from '../../src/cli/bpftool/groups.ts';
import { MAP_TYPES } from '../../src/spec/map-types.ts';
import { anybpf } from './support.ts';

const has = (shell: string): boolean => spawnSync(shell, ['--version'], { stdio: 'ignore' }).status === 0;
const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(path.join(folder, 'an object.o'), '');
writeFileSync(path.join(folder, 'other.o'), '');

async function script(shell: string): Promise<string> {
  const { code, out } = await anybpf(['completion', shell]);
  expect(code).toBe(0);
  return out;
}

/** What bash offers for each line, whose last word is the one that is typed. */
async function offered(lines: readonly (readonly string[])[]): Promise<string[][]> {
  const file = path.join(folder, 'completion.bash');
  writeFileSync(file, await script('bash'));
  const asked = lines.map((words) => {
    const quoted = ['anybpf', ...words].map((word) => `'${word}'`).join(' ');
    return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; COMPREPLY=(); _anybpf; printf '%s\\n' "\${COMPREPLY[@]}"; echo --`;
  });
  const text = execFileSync('bash', ['-u', '-c', `source ${file}\n${asked.join('\n')}`], {
    cwd: folder,
    encoding: 'utf8',
  });
  return text
    .split('--\n')
    .slice(0, -1)
    .map((part) => part.split('\n').filter((word) => word !== ''));
}

describe.skipIf(!has('bash'))('in bash', () => {
  it.each<[string, readonly string[]]>([
    ['ma', ['map']],
    ['service st', ['start', 'stop', 'status']],
    ['service start --log-level ', ['debug', 'info', 'warn', 'error']],
    ['run --eng', ['--engine']],
    ['run --engine ', ['auto', 'reference', 'interpret', 'compile']],
    ['map up', ['update']],
    ['map update p', ['pinned']],
    ['map update id 4 key hex 1 value hex 2 no', ['noexist']],
    ['bpftool map lookup na', ['name']],
    ['prog dump xl', ['xlated']],
    ['prog attach id 7 sk_m', ['sk_msg_verdict']],
    ['map create x type lru', ['lru_hash', 'lru_percpu_hash']],
    ['gen skeleton oth', ['other.o']],
    ['run oth', ['other.o']],
    ['run an', ['an object.o']],
    ['map dump pinned o', ['other.o']],
    ['completion z', ['zsh']],
    ['nonsense nothing', []],
  ])('anybpf %s', async (line, words) => {
    const [found] = await offered([line.split(' ')]);
    expect(found).toEqual(words);
  });

  it('every object and command of the grammar is offered, there and behind bpftool', async () => {
    const lines = GROUPS.flatMap(({ name, commands }) =>
      commands.flatMap(([keyword]) => [
        [name, keyword],
        ['bpftool', name, keyword],
      ]),
    );
    for (const [i, found] of (await offered(lines)).entries()) expect(found).toContain(lines[i].at(-1));
    const [objects] = await offered([['bpftool', '']]);
    for (const { name } of GROUPS) expect(objects).toContain(name);
    const [types] = await offered([['map', 'create', 'x', 'type', '']]);
    for (const type of Object.keys(MAP_TYPES)) expect(types).toContain(type);
  });

  it('bash itself completes by it once it is sourced', async () => {
    const file = path.join(folder, 'sourced.bash');
    writeFileSync(file, await script('bash'));
    const text = execFileSync('bash', ['-c', `source ${file}; complete -p anybpf`], { encoding: 'utf8' });
    expect(text.trim()).toBe('complete -F _anybpf anybpf');
  });
});

it.each(['zsh', 'fish'].map((shell) => [shell, has(shell)] as const))(
  'for %s (installed here: %s), it has every verb, and the shell takes it where it is there',
  async (shell, present) => {
    const text = await script(shell);
    for (const { name } of GROUPS) expect(text).toContain(`'${name}'`);
    if (!present) return;
    const file = path.join(folder, shell);
    writeFileSync(file, text);
    execFileSync(shell, ['-n', file]);
  },
);
