// Programs in assembler that call kernel functions: their prototypes as BTF, and a section with a lock, a tree and a list.
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import { type BtfType, INT_SIGNED } from '../../src/btf/format.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import type { Limits } from '../../src/verify/engine.ts';
import { DEFAULT_LIMITS, type Verdict, verify } from '../../src/verify/verify.ts';
import { map, type ProgramOptions, programOf } from './support.ts';

const STRUCTS: Readonly<
  Record<string, { readonly size: number; readonly members?: Readonly<Record<string, string>> }>
> = {
  bpf_iter_num: { size: 8 },
  bpf_dynptr: { size: 16 },
  bpf_rb_node: { size: 32 },
  bpf_list_node: { size: 24 },
  bpf_refcount: { size: 4 },
  bpf_spin_lock: { size: 4 },
  bpf_rb_root: { size: 16 },
  bpf_list_head: { size: 16 },
  task_struct: { size: 64 },
  file: { size: 64 },
  node: {
    size: 80,
    members: { key: 'long', tree: 'bpf_rb_node', list: 'bpf_list_node', refs: 'bpf_refcount' },
  },
};

/** By name: the result and the parameters; `x*` is a pointer to x. */
const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  bpf_iter_num_new: ['int', 'bpf_iter_num*', 'int', 'int'],
  bpf_iter_num_next: ['int*', 'bpf_iter_num*'],
  bpf_iter_num_destroy: ['void', 'bpf_iter_num*'],
  bpf_preempt_disable: ['void'],
  bpf_preempt_enable: ['void'],
  bpf_rcu_read_lock: ['void'],
  bpf_rcu_read_unlock: ['void'],
  bpf_task_from_pid: ['task_struct*', 'int'],
  bpf_task_release: ['void', 'task_struct*'],
  bpf_put_file: ['void', 'file*'],
  bpf_dynptr_from_skb: ['int', 'void*', 'long', 'bpf_dynptr*'],
  bpf_dynptr_slice: ['void*', 'bpf_dynptr*', 'int', 'void*', 'int'],
  bpf_obj_new_impl: ['void*', 'long', 'void*'],
  bpf_obj_drop_impl: ['void', 'void*', 'void*'],
  bpf_refcount_acquire_impl: ['void*', 'void*', 'void*'],
  bpf_rbtree_add_impl: ['int', 'bpf_rb_root*', 'bpf_rb_node*', 'void*', 'void*', 'long'],
  bpf_rbtree_first: ['bpf_rb_node*', 'bpf_rb_root*'],
  bpf_rbtree_remove: ['bpf_rb_node*', 'bpf_rb_root*', 'bpf_rb_node*'],
  bpf_list_push_back_impl: ['int', 'bpf_list_head*', 'bpf_list_node*', 'void*', 'long'],
  bpf_list_pop_front: ['bpf_list_node*', 'bpf_list_head*'],
  bpf_unheard_of: ['int'],
};

/** Offsets in the section `.bss.A`, and in the struct. */
export const AT = { lock: 0, root: 8, head: 24, tree: 8, list: 40 } as const;

class Types {
  readonly types: BtfType[] = [];
  readonly #ids = new Map<string, number>();

  add(type: BtfType): number {
    return this.types.push(type);
  }

  id(name: string): number {
    if (name === 'void') return 0;
    let id = this.#ids.get(name);
    if (id === undefined) this.#ids.set(name, (id = this.#make(name)));
    return id;
  }

  #make(name: string): number {
    if (name.endsWith('*')) return this.add({ kind: 'ptr', type: this.id(name.slice(0, -1)) });
    if (name === 'int' || name === 'long') {
      const size = name === 'int' ? 4 : 8;
      return this.add({
        kind: 'int',
        name,
        size,
        encoding: INT_SIGNED,
        offset: 0,
        bits: 8 * size,
      });
    }
    const { size, members = {} } = STRUCTS[name];
    let at = 0;
    const fields = Object.entries(members).map(([field, type]) => {
      const id = this.id(type);
      const member = { name: field, type: id, bitOffset: 8 * at, bitSize: 0 };
      at += type === 'long' ? 8 : STRUCTS[type].size;
      return member;
    });
    return this.add({ kind: 'struct', name, size, kindFlag: false, members: fields });
  }

  variable(name: string, type: string, contains?: string): number {
    const id = this.add({ kind: 'var', name, type: this.id(type), linkage: 1 });
    if (contains !== undefined)
      this.add({ kind: 'decl_tag', name: `contains:${contains}`, type: id, component: -1, attribute: false });
    return id;
  }
}

const types = new Types();
const FUNCTION_IDS = Object.entries(FUNCTIONS).map(([name, [result, ...params]]) => {
  const proto = types.add({
    kind: 'func_proto',
    type: types.id(result),
    params: params.map((type) => ({ name: '', type: types.id(type) })),
  });
  return { name, typeId: types.add({ kind: 'func', name, type: proto, linkage: 2 }) };
});
export const NODE = types.id('node');
const VARIABLES = [
  { type: types.variable('lock', 'bpf_spin_lock'), offset: AT.lock, size: 4 },
  { type: types.variable('root', 'bpf_rb_root', 'node:tree'), offset: AT.root, size: 16 },
  { type: types.variable('head', 'bpf_list_head', 'node:list'), offset: AT.head, size: 16 },
];
const SECTION = types.add({ kind: 'datasec', name: '.bss.A', size: 40, vars: VARIABLES });
const BTF = decodeBtf(encodeBtf(types.types));

const NAMES = Object.keys(FUNCTIONS);
const SHARED = map('.bss.A', 'array', 4, 40, {
  maxEntries: 1,
  kind: 'bss',
  valueTypeId: SECTION,
  special: [
    { kind: 'spin_lock', offset: AT.lock, size: 4 },
    { kind: 'rb_root', offset: AT.root, size: 16 },
    { kind: 'list_head', offset: AT.head, size: 16 },
  ],
});

/** The verdict on a program whose `call NAME` may name a kernel function, and that has the map `.bss.A` as number 0. */
export function kfuncVerdict(text: string, options: ProgramOptions = {}, limits: Partial<Limits> = {}): Verdict {
  const calls = text.replace(/\bcall (bpf_\w+)/g, (whole, name: string) =>
    NAMES.includes(name) ? `call kfunc(${NAMES.indexOf(name)}, 0)` : whole,
  );
  const maps = [SHARED, ...(options.maps ?? [])];
  const { object, program } = programOf(calls, { type: 'sched_cls', ...options, maps });
  const externs = FUNCTION_IDS.map(({ name, typeId }) => ({ name, typeId, kind: 'kfunc' as const, weak: false }));
  const whole = { ...object, btf: BTF, externs };
  return verify(whole, program, builtInPlatform('linux'), { ...DEFAULT_LIMITS, ...limits });
}
