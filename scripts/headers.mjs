// Makes the parts of include/ that are numbers and layouts from the tables: those of Linux, which AnyBPF shares, and those of Windows.
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
export const NUMBERS_HEADER = join(root, 'include/anybpf/numbers.h');
export const LAYOUT_HEADER = join(root, 'include/anybpf/layout-check.h');

const head = (name, what) => `/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* ${what} Made by scripts/headers.mjs of AnyBPF's tables: npm run generate. */
#ifndef ANYBPF_${name}_H
#define ANYBPF_${name}_H
`;

/** What the sample extension has is declared with it. */
const ofSample = (name) => name.startsWith('sample_');

const define = (name, number) => `#define ${name} ${number < 4096 ? number : `0x${number.toString(16)}`}`;

/** Definitions of one dialect, the names in the order of the table. */
const defined = (prefix, rows, dialect) =>
  rows.flatMap(([name, numbers]) => (numbers[dialect] === undefined ? [] : [define(prefix(name), numbers[dialect])]));

/**
 * @param families HELPER_FAMILIES
 * @param mapTypes MAP_TYPES
 */
export function numbersHeader(families, mapTypes) {
  const helpers = families.flatMap(({ helpers: rows }) => rows).filter(({ name }) => !ofSample(name));
  const types = Object.entries(mapTypes).filter(([name]) => !ofSample(name));
  const global = helpers.map(({ name, numbers }) => [name, numbers]);
  // Helpers of one program type have numbers of their own on Windows, above all others.
  const typed = helpers.flatMap(({ name, programNumbers = {} }) =>
    Object.values(programNumbers).map((windows) => [name, { windows }]),
  );
  const part = (dialect) =>
    [
      ...defined((name) => `BPF_MAP_TYPE_${name.toUpperCase()}`, types, dialect),
      '',
      ...defined((name) => `BPF_FUNC_${name}`, [...global, ...(dialect === 'windows' ? typed : [])], dialect),
    ].join('\n');
  return `${head('NUMBERS', 'Map types and helpers by number.')}
#ifdef ANYBPF_TARGET_WINDOWS
${part('windows')}
#else
${part('linux')}
#endif

#endif
`;
}

/** Contexts whose declaration in contexts.h is checked. @param rows PROGRAM_TYPE_ROWS */
export function layoutHeader(rows) {
  const declared = ['xdp', 'bind', 'cgroup_sock_addr', 'sock_ops'];
  const checks = (dialect) =>
    declared.flatMap((type) => {
      const layout = rows.find((row) => row.type === type)?.contexts[dialect];
      if (layout === undefined) return [];
      const { name, size, fields } = layout;
      const known = Object.entries(fields).filter(
        ([field]) => dialect === 'windows' || LINUX_FIELDS.has(`${type}.${field}`),
      );
      return [
        `_Static_assert(sizeof(${name}) == ${size}, "${name}");`,
        ...known.map(
          ([field, { offset }]) => `_Static_assert(__builtin_offsetof(${name}, ${field}) == ${offset}, "${field}");`,
        ),
      ];
    });
  return `${head('LAYOUT_CHECK', 'That the contexts of contexts.h lie as AnyBPF lays them.')}
#ifdef ANYBPF_TARGET_WINDOWS
${checks('windows').join('\n')}
#else
${checks('linux').join('\n')}
#endif

#endif
`;
}

/** Fields that contexts.h has of Linux's contexts: those that both systems have, and what lies between. */
const LINUX_FIELDS = new Set([
  ...['data', 'data_end', 'data_meta', 'ingress_ifindex', 'rx_queue_index', 'egress_ifindex'].map((f) => `xdp.${f}`),
  ...[
    'user_family',
    'user_ip4',
    'user_ip6',
    'user_port',
    'family',
    'type',
    'protocol',
    'msg_src_ip4',
    'msg_src_ip6',
  ].map((f) => `cgroup_sock_addr.${f}`),
  ...['op', 'family', 'remote_ip4', 'local_ip4', 'remote_ip6', 'local_ip6', 'remote_port', 'local_port'].map(
    (f) => `sock_ops.${f}`,
  ),
]);

/** Both files, from the tables of the build. */
export async function headerFiles() {
  const [{ HELPER_FAMILIES }, { MAP_TYPES }, { PROGRAM_TYPE_ROWS }] = await Promise.all([
    import('../dist/helpers/index.js'),
    import('../dist/spec/map-types.js'),
    import('../dist/programs/index.js'),
  ]);
  return [
    [NUMBERS_HEADER, numbersHeader(HELPER_FAMILIES, MAP_TYPES)],
    [LAYOUT_HEADER, layoutHeader(PROGRAM_TYPE_ROWS)],
  ];
}
