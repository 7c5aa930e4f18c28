// Makes src/verify/targets/linux.ts: since which version Linux has each helper, map type, program type and attach type.
//
//   node scripts/linux-targets.mjs 6.1=/usr/include/linux/bpf.h 6.12=.../include/uapi/linux/bpf.h 6.18=vmlinux.h
//
// Each argument is a header of that version: include/uapi/linux/bpf.h of the kernel's source (Debian: linux-libc-dev, linux-source-*),
// or what `bpftool btf dump file /sys/kernel/btf/vmlinux format c` prints of a running kernel. Names and numbers come from the newest;
// each version must have what the table below says, and nothing else.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What came after OLDEST, by version: as the eBPF timeline tells it (https://docs.ebpf.io/linux/timeline/, with the commits). For the
 * versions whose headers are given it is compared with them.
 */
const ADDED = {
  5.16: {
    func: ['get_branch_snapshot', 'trace_vprintk', 'skc_to_unix_sock', 'kallsyms_lookup_name'],
    map: ['BLOOM_FILTER'],
  },
  5.17: { func: ['find_vma', 'loop', 'strncmp', 'get_func_arg', 'get_func_ret', 'get_func_arg_cnt'] },
  5.18: {
    func: [
      'get_retval',
      'set_retval',
      'xdp_get_buff_len',
      'xdp_load_bytes',
      'xdp_store_bytes',
      'copy_from_user_task',
      'skb_set_tstamp',
      'ima_file_hash',
    ],
    attach: ['TRACE_KPROBE_MULTI'],
  },
  5.19: {
    func: [
      'kptr_xchg',
      'map_lookup_percpu_elem',
      'skc_to_mptcp_sock',
      'dynptr_from_mem',
      'ringbuf_reserve_dynptr',
      'ringbuf_submit_dynptr',
      'ringbuf_discard_dynptr',
      'dynptr_read',
      'dynptr_write',
      'dynptr_data',
    ],
  },
  '6.0': {
    func: [
      'tcp_raw_gen_syncookie_ipv4',
      'tcp_raw_gen_syncookie_ipv6',
      'tcp_raw_check_syncookie_ipv4',
      'tcp_raw_check_syncookie_ipv6',
    ],
    attach: ['LSM_CGROUP'],
  },
  6.1: { func: ['ktime_get_tai_ns', 'user_ringbuf_drain'], map: ['USER_RINGBUF'] },
  6.2: { func: ['cgrp_storage_get', 'cgrp_storage_delete'], map: ['CGRP_STORAGE'] },
  6.4: { prog: ['NETFILTER'], attach: ['STRUCT_OPS', 'NETFILTER'] },
  6.6: { attach: ['TCX_INGRESS', 'TCX_EGRESS', 'TRACE_UPROBE_MULTI'] },
  6.7: {
    attach: [
      'CGROUP_UNIX_CONNECT',
      'CGROUP_UNIX_SENDMSG',
      'CGROUP_UNIX_RECVMSG',
      'CGROUP_UNIX_GETPEERNAME',
      'CGROUP_UNIX_GETSOCKNAME',
      'NETKIT_PRIMARY',
      'NETKIT_PEER',
    ],
  },
  6.9: { map: ['ARENA'] },
  '6.10': { attach: ['TRACE_KPROBE_SESSION'] },
  6.13: { attach: ['TRACE_UPROBE_SESSION'] },
};
const OLDEST = '5.15';

const KINDS = {
  func: { of: 'bpf_func_id', prefix: 'BPF_FUNC_', table: 'HELPERS', doc: 'Helpers' },
  map: { of: 'bpf_map_type', prefix: 'BPF_MAP_TYPE_', table: 'MAP_TYPES', doc: 'Map types' },
  prog: { of: 'bpf_prog_type', prefix: 'BPF_PROG_TYPE_', table: 'PROGRAM_TYPES', doc: 'Program types' },
  attach: { of: 'bpf_attach_type', prefix: 'BPF_', table: 'ATTACH_TYPES', doc: 'Attach types' },
};

/** 6.10 is after 6.9. */
const order = (version) => {
  const [major, minor] = version.split('.').map(Number);
  return major * 1000 + minor;
};

/** Names of an enumeration by number; the first where there are several. */
function enumerators(text, { of, prefix }) {
  const names = [];
  if (of === 'bpf_func_id' && !text.includes(`enum ${of} {\n\tBPF_FUNC_unspec`)) {
    // A macro makes the enumeration, of FN(name), or FN(name, number, ...).
    const mapper = /#define _*BPF_FUNC_MAPPER\(FN[^\n]*\n([\s\S]*?)\n\s*\/\*/.exec(text)[1];
    for (const [, name, number] of mapper.matchAll(/FN\((\w+)(?:,\s*(\d+))?/g)) names[number ?? names.length] = name;
    return names;
  }
  const body = new RegExp(`^enum ${of} \\{([\\s\\S]*?)^\\};`, 'm').exec(text)[1].replace(/\/\*[\s\S]*?\*\//g, '');
  let next = 0;
  for (const [, name, value] of body.matchAll(/(\w+)(?:\s*=\s*(\w+))?,?/g)) {
    if (name.startsWith('__')) continue;
    const short = name.slice(prefix.length);
    // An old name of the same number.
    const number =
      value === undefined ? next : /^\d+$/.test(value) ? Number(value) : names.indexOf(value.slice(prefix.length));
    names[number] = names[number]?.endsWith('_DEPRECATED') ? short : (names[number] ?? short);
    next = number + 1;
  }
  return names;
}

const headers = process.argv.slice(2).map((argument) => {
  const [version, path] = argument.split('=');
  const text = readFileSync(path, 'utf8');
  return {
    version,
    path,
    names: Object.fromEntries(Object.entries(KINDS).map(([kind, row]) => [kind, enumerators(text, row)])),
  };
});
headers.sort((a, b) => order(a.version) - order(b.version));
const newest = headers.at(-1);
if (newest === undefined) throw new Error('name at least one header: VERSION=FILE');

const plain = (name) => name.replace(/_DEPRECATED$/, '');
const since = {};
for (const kind of Object.keys(KINDS)) {
  since[kind] = newest.names[kind].map((name) => {
    const version = Object.keys(ADDED).find((v) => ADDED[v][kind]?.includes(name)) ?? OLDEST;
    for (const { version: examined, path, names } of headers) {
      const has = names[kind].some((other) => plain(other) === plain(name));
      if (has !== order(examined) >= order(version)) {
        throw new Error(
          `${KINDS[kind].prefix}${name} is ${has ? '' : 'not '}in ${path} (${examined}), but said to be of ${version}`,
        );
      }
    }
    return version;
  });
  for (const version of Object.keys(ADDED)) {
    const missing = ADDED[version][kind]?.find((name) => !newest.names[kind].includes(name));
    if (missing !== undefined) throw new Error(`${missing} is not in ${newest.path}`);
  }
}

const rows = (kind) =>
  newest.names[kind]
    .map((name, number) => ({ name: kind === 'func' ? name : name.toLowerCase(), version: since[kind][number] }))
    .map(({ name, version }) => `  { name: '${name}', since: '${version}' },`)
    .join('\n');
const text = `// Since which version Linux has what programs name by numbers. Made by scripts/linux-targets.mjs; do not edit.
// Names and numbers: Linux ${newest.version} (enumerations of include/uapi/linux/bpf.h, from its BTF). Versions: https://docs.ebpf.io/linux/timeline/,
// compared with the headers of ${headers.map(({ version }) => version).join(', ')}.

/** '${OLDEST}' where it is that old or older. */
export interface LinuxRow {
  readonly name: string;
  readonly since: string;
}

${Object.entries(KINDS)
  .map(
    ([kind, { table, doc, of }]) => `/** ${doc} by number (enum ${of}). */
export const LINUX_${table}: readonly LinuxRow[] = [
${rows(kind)}
];
`,
  )
  .join('\n')}`;
const file = join(import.meta.dirname, '../src/verify/targets/linux.ts');
writeFileSync(file, text);
console.log(
  `${file}: ${Object.keys(KINDS)
    .map((kind) => `${newest.names[kind].length} ${kind}`)
    .join(', ')}`,
);
