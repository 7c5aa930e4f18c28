// The import check: folders import downwards only, core folders use no Node built-in, and no import cycle exists at run time.
// `node scripts/check-imports.mjs` prints each offence and exits with 1 where there is one.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Layer of each folder of src/ (ARCHITECTURE.md); `.` stands for src/index.ts. */
const LAYERS = {
  base: 0,
  isa: 1,
  elf: 1,
  btf: 1,
  capture: 1,
  spec: 1,
  link: 2,
  flow: 2,
  verify: 3,
  compile: 3,
  maps: 3,
  helpers: 3,
  programs: 3,
  run: 4,
  hosts: 5,
  aot: 5,
  context: 6,
  live: 7,
  service: 7,
  skeleton: 7,
  client: 8,
  compat: 9,
  sockets: 9,
  cli: 10,
  '.': 10,
};

/** Imports inside a layer that the pipeline needs; `spec` is data for all of layer 1 and up. */
const SAME_LAYER = {
  types: [
    ['spec', 'btf'],
    ['spec', 'elf'],
    ['.', 'cli'],
  ],
  values: [['*', 'spec']],
};

/** Stages that get a Platform value and never see its parts, whatever the layer says. */
const NEVER = [
  ['verify', ['helpers', 'maps', 'programs', 'compile']],
  ['compile', ['helpers', 'maps', 'programs', 'verify']],
];

/** Folders that may use Node built-ins. */
const NODE_FOLDERS = ['cli', 'service', 'client', 'live', 'sockets', 'hosts/node', 'hosts/linux'];

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Every import and re-export of a file: specifier, and whether only types cross. */
function importsOf(text) {
  const found = [];
  const statement = /^\s*(?:import|export)\s+(type\s+)?([^;'"]*?\bfrom\s+)?['"]([^'"]+)['"]/gm;
  for (const match of text.matchAll(statement)) {
    const names = /\{([^}]*)\}/.exec(match[2] ?? '')?.[1];
    const allTypes =
      names !== undefined &&
      !/^\s*\w/.test((match[2] ?? '').replace(/\{[^}]*\}\s*from/, '')) &&
      names.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type '));
    found.push({ specifier: match[3], typeOnly: match[1] !== undefined || allTypes });
  }
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ specifier: match[1], typeOnly: false, lazy: true });
  }
  return found;
}

const folderOf = (file) => {
  const parts = relative(join(root, 'src'), file).split('/');
  return parts.length === 1 ? '.' : parts[0];
};

const pairListed = (list, from, to) => list.some(([a, b]) => (a === '*' || a === from) && b === to);

export function checkImports() {
  const offences = [];
  const graph = new Map();
  for (const file of filesBelow(join(root, 'src'))) {
    const name = relative(root, file);
    const from = folderOf(file);
    if (!(from in LAYERS)) offences.push(`${name}: folder src/${from} has no layer in scripts/check-imports.mjs`);
    const edges = [];
    graph.set(file, edges);
    for (const { specifier, typeOnly, lazy } of importsOf(readFileSync(file, 'utf8'))) {
      if (!specifier.startsWith('.')) {
        const inside = relative(join(root, 'src'), file);
        if (specifier.startsWith('node:') && !typeOnly && !NODE_FOLDERS.some((f) => inside.startsWith(`${f}/`))) {
          offences.push(`${name}: imports ${specifier}; only ${NODE_FOLDERS.join(', ')} may use Node built-ins`);
        }
        continue;
      }
      const target = resolve(dirname(file), specifier);
      const to = folderOf(target);
      if (!typeOnly && !lazy) edges.push(target);
      if (to === from) continue;
      const never = NEVER.find(([stage]) => stage === from)?.[1] ?? [];
      const upward = LAYERS[to] > LAYERS[from];
      const level = LAYERS[to] === LAYERS[from];
      const allowed = pairListed(SAME_LAYER.values, from, to) || (typeOnly && pairListed(SAME_LAYER.types, from, to));
      if (never.includes(to)) offences.push(`${name}: ${from} never imports ${to} (it gets a Platform value)`);
      else if (upward)
        offences.push(`${name}: imports upwards, ${from} (layer ${LAYERS[from]}) -> ${to} (layer ${LAYERS[to]})`);
      else if (level && !allowed)
        offences.push(`${name}: imports sideways, ${from} -> ${to}, both of layer ${LAYERS[from]}`);
    }
  }
  return { files: graph.size, offences: [...offences, ...cyclesOf(graph)] };
}

/** One line for each cycle of run-time imports, found by depth-first search. */
function cyclesOf(graph) {
  const cycles = [];
  const state = new Map();
  const path = [];
  const visit = (file) => {
    state.set(file, 'open');
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      if (state.get(next) === 'open') {
        cycles.push(
          `import cycle: ${[...path.slice(path.indexOf(next)), next].map((f) => relative(root, f)).join(' -> ')}`,
        );
      } else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) if (!state.has(file)) visit(file);
  return cycles;
}

if (process.argv[1] === import.meta.filename) {
  const { files, offences } = checkImports();
  for (const offence of offences) console.error(offence);
  console.log(`import check: ${files} files, ${offences.length} offences`);
  process.exitCode = offences.length === 0 ? 0 : 1;
}
