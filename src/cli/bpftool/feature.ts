// `anybpf feature`: what the context can do, and which names are known.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import { builtInPlatform } from '../../hosts/platform.ts';
import { MAP_TYPES } from '../../spec/map-types.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../spec/program-types.ts';
import { LINK_TYPES, type Result } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { deviceIndex } from './devices.ts';
import { refuse, said } from './errors.ts';
import type { Answer, Json } from './output.ts';
import { type Group, type Tool, usage } from './tool.ts';

type Features = Result<'feature.probe'>;

interface ProbeWords {
  readonly macros: boolean;
  readonly prefix: string;
}

/** [COMPONENT] [full] [unprivileged] [macros [prefix PREFIX]] */
function probeWords(words: Words): ProbeWords {
  let given: ProbeWords = { macros: false, prefix: '' };
  while (words.left > 0) {
    if (words.skip('kernel') || words.skip('full') || words.skip('unprivileged')) {
      // The context is the kernel; all of it is always probed, and probing needs no privilege.
      continue;
    }
    if (words.skip('dev')) {
      const name = words.take();
      if (deviceIndex(name) === undefined) fail(wrongWords({}, `unrecognized netdevice '${name}': No such device`));
      refuse('offload to a device has no meaning here');
    } else if (words.skip('macros')) {
      given = { ...given, macros: true };
    } else if (words.skip('prefix')) {
      if (!given.macros) fail(wrongWords({}, "'prefix' argument can only be use after 'macros'"));
      given = { ...given, prefix: words.take() };
    } else {
      fail(wrongWords({}, `expected no more arguments, 'kernel', 'dev', 'macros' or 'prefix', got: '${words.next}'?`));
    }
  }
  return given;
}

const MISC: Readonly<Record<string, string>> = {
  large_insn_limit: 'Large program size limit',
  bounded_loops: 'Bounded loop support',
  v2_isa_extension: 'ISA extension v2',
  v3_isa_extension: 'ISA extension v3',
  v4_isa_extension: 'ISA extension v4',
};

const miscTitle = (name: string): string => MISC[name] ?? name.replaceAll('_', ' ');
const availability = (there: boolean): string => (there ? 'available' : 'NOT available');

/** Names with a part before and behind: `have_xdp_prog_type`. */
const having = (found: Readonly<Record<string, boolean>>, behind: string): Json =>
  Object.fromEntries(Object.entries(found).map(([name, there]): [string, Json] => [`have_${name}${behind}`, there]));

const probeJson = (features: Features): Json => ({
  syscall_config: { have_bpf_syscall: true },
  program_types: having(features.programTypes, '_prog_type'),
  map_types: having(features.mapTypes, '_map_type'),
  helpers: Object.fromEntries(
    Object.entries(features.helpers).map(([type, names]): [string, Json] => [
      `${type}_available_helpers`,
      names.map(helperTitle),
    ]),
  ),
  misc: having(features.misc, ''),
});

const helperTitle = (name: string): string => (name.startsWith('bpf_') ? name : `bpf_${name}`);

const typesText = (found: Readonly<Record<string, boolean>>, what: string): string =>
  Object.entries(found)
    .map(([name, there]) => `eBPF ${what} ${name} is ${availability(there)}\n`)
    .join('');

function probeText(features: Features): string {
  const helpers = Object.entries(features.helpers).map(([type, names]) => {
    const lines =
      names.length === 0 ? '\tProgram type not supported\n' : names.map((n) => `\t- ${helperTitle(n)}\n`).join('');
    return `eBPF helpers supported for program type ${type}:\n${lines}`;
  });
  return [
    'Scanning system call availability...\nbpf() syscall is available\n',
    `Scanning eBPF program types...\n${typesText(features.programTypes, 'program_type')}`,
    `Scanning eBPF map types...\n${typesText(features.mapTypes, 'map_type')}`,
    `Scanning eBPF helper functions...\n${helpers.join('')}`,
    `Scanning miscellaneous eBPF features...\n${Object.entries(features.misc)
      .map(([name, there]) => `${miscTitle(name)} is ${availability(there)}\n`)
      .join('')}`,
  ].join('\n');
}

/** A header of C. */
function probeMacros(features: Features, prefix: string): string {
  const define = (name: string, there: boolean): string =>
    `#define ${prefix}${there ? '' : 'NO_'}HAVE_${name.toUpperCase()}\n`;
  const all = (found: Readonly<Record<string, boolean>>, behind: string): string =>
    Object.entries(found)
      .map(([name, there]) => define(`${name}${behind}`, there))
      .join('');
  const helpers = [...new Set(Object.values(features.helpers).flat())].toSorted();
  const pairs = Object.entries(features.helpers).flatMap(([type, names]) =>
    helpers.map(
      (name) =>
        `#define ${prefix}BPF__PROG_TYPE_${type}__HELPER_${helperTitle(name)} ${names.includes(name) ? 1 : 0}\n`,
    ),
  );
  return [
    `/*** System call availability ***/\n${define('bpf_syscall', true)}`,
    `/*** eBPF program types ***/\n${all(features.programTypes, '_prog_type')}`,
    `/*** eBPF map types ***/\n${all(features.mapTypes, '_map_type')}`,
    `/*** eBPF helper functions ***/\n#define ${prefix}HAVE_PROG_TYPE_HELPER(prog_type, helper)\t\\\n` +
      `\t${prefix}BPF__PROG_TYPE_ ## prog_type ## __HELPER_ ## helper\n\n${pairs.join('')}`,
    `/*** eBPF misc features ***/\n${all(features.misc, '')}`,
  ].join('\n');
}

async function probe(tool: Tool, words: Words): Promise<Answer> {
  const { macros, prefix } = probeWords(words);
  if (macros && tool.options.json) refuse('macros are C, not JSON');
  const features = await said(tool.call('feature.probe', {}), (why) => `can't probe: ${why}`);
  return {
    json: () => probeJson(features),
    text: () => (macros ? probeMacros(features, prefix) : probeText(features)),
  };
}

/** Names that are known whether the context has them or not. */
const BUILTINS: Readonly<Record<string, (tool: Tool) => readonly string[]>> = {
  prog_types: (tool) => namesIn(PROGRAM_TYPES, tool),
  map_types: (tool) => ['unspec', ...namesIn(MAP_TYPES, tool)],
  attach_types: (tool) => namesIn(ATTACH_TYPES, tool),
  link_types: ({ windows }) => (windows ? ['plain'] : LINK_TYPES.filter((type) => type !== 'plain')),
  helpers: helperNames,
};

const namesIn = (table: Readonly<Record<string, { readonly linux?: number; readonly windows?: number }>>, tool: Tool) =>
  Object.entries(table)
    .filter(([, numbers]) => numbers[tool.options.dialect] !== undefined)
    .map(([name]) => name);

/** No dialect has as many of its own; those of one program type have numbers above. */
const HELPERS = 512;

function helperNames({ options: { dialect } }: Tool): string[] {
  const platform = builtInPlatform(dialect);
  const names = Array.from({ length: HELPERS }, (_, i) => platform.helperName(i + 1)).filter(
    (name) => name !== undefined,
  );
  return ['bpf_unspec', ...names.map(helperTitle)];
}

function listBuiltins(tool: Tool, words: Words): Answer {
  if (words.left !== 1) return usage();
  const group = Object.keys(BUILTINS).find((name) => words.skip(name));
  if (group === undefined) {
    return fail(
      wrongWords(
        {},
        `expected 'prog_types', 'map_types', 'attach_types', 'link_types' or 'helpers', got: ${words.next}`,
      ),
    );
  }
  const names = BUILTINS[group](tool);
  return { json: () => names, text: () => names.map((name) => `${name}\n`).join('') };
}

const HELP = `% feature probe [COMPONENT] [full] [unprivileged] [macros [prefix PREFIX]]
       % feature list_builtins GROUP
       % feature help

       COMPONENT := { kernel | dev NAME }
       GROUP := { prog_types | map_types | attach_types | link_types | helpers }
`;

export const featureGroup: Group = {
  name: 'feature',
  about: "what there is, in bpftool's grammar: probe, list_builtins",
  commands: [
    ['probe', probe],
    ['list_builtins', listBuiltins],
  ],
  help: HELP,
};
