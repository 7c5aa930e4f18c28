// Register states of the kernel's log in words.

/** reg_type_str of kernel/bpf/log.c, and older names. */
const NAMES: Readonly<Record<string, string>> = {
  ctx: 'the context',
  map_ptr: 'a map',
  map_value: 'a map value',
  map_value_adj: 'a map value',
  map_key: 'a map key',
  pkt: 'the packet',
  pkt_meta: 'the metadata before the packet',
  pkt_end: 'the end of the packet',
  sock: 'a socket',
  sock_common: 'a sock_common',
  tcp_sock: 'a tcp_sock',
  ringbuf_mem: 'a ring buffer record',
  alloc_mem: 'memory',
  mem: 'memory',
  buf: 'a buffer',
  func: 'a function',
  dynptr_ptr: 'a dynptr',
  flow_keys: 'the flow keys',
};

interface Parts {
  readonly name: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** `pkt(id=1,off=14,r=14)`; fields that share a value stand as `smin=umin=20`. */
function partsOf(value: string): Parts {
  const open = value.indexOf('(');
  if (open < 0) return { name: value, fields: new Map() };
  const fields = new Map<string, string>();
  const inner = value.slice(open + 1, value.lastIndexOf(')'));
  for (const part of inner.split(/,(?![^(]*\))/)) {
    const names = part.split('=');
    const shared = names.pop() ?? '';
    for (const name of names) fields.set(name.trim(), shared);
  }
  return { name: value.slice(0, open), fields };
}

const NUMBER = /^P?(?:scalar|invP?|imm|unknown)$/;

function range(fields: ReadonlyMap<string, string>): string {
  const at = (name: string): string | undefined => fields.get(name) ?? fields.get(`${name}_value`);
  const [umin, umax, smin, smax] = [at('umin'), at('umax'), at('smin'), at('smax')];
  if (umax !== undefined) return `${decimal(umin ?? '0')} to ${decimal(umax)}`;
  if (smin !== undefined && smax !== undefined) return `${decimal(smin)} to ${decimal(smax)}`;
  if (umin !== undefined) return `at least ${decimal(umin)}`;
  if (smin !== undefined) return `${decimal(smin)} to 2^63-1`;
  return 'any number';
}

const decimal = (text: string): string => (/^-?0x[0-9a-f]+$/i.test(text) ? hex(text) : text);
const hex = (text: string): string => (text.startsWith('-') ? `-${BigInt(text.slice(1))}` : BigInt(text).toString());

const constantOf = (value: string): string | undefined =>
  /^P?(?:scalar|invP?|imm)?(-?(?:0x[0-9a-f]+|\d+))$/i.exec(value)?.[1];

/**
 * A state as the end of a sentence that begins with its register: `is 0 to 255`.
 *
 * @param proven with how much of the packet is proven, where it says so
 */
export function stateInWords(value: string, proven = true): string {
  const constant = constantOf(value);
  if (constant !== undefined) return `is ${decimal(constant)}`;
  const { name, fields } = partsOf(value);
  if (NUMBER.test(name)) return `is ${range(fields)}`;
  if (name.startsWith('fp')) {
    const at = /^fp(-\d+)/.exec(name)?.[1] ?? '';
    return `points to the stack at r10${at}`;
  }
  const nullable = name.endsWith('_or_null') ? ' or NULL' : '';
  const plain = name.replace(/_or_null$/, '');
  const what = NAMES[plain] ?? (/ptr_/.test(plain) ? `a kernel object (${plain.replace(/^.*ptr_/, '')})` : plain);
  const map = fields.get('map');
  const varies = [...fields.keys()].some((field) => /^[us](?:min|max)/.test(field));
  const off = fields.get('off');
  const offset = varies
    ? `, offset ${off ?? 0} plus ${range(fields)}`
    : off === undefined || off === '0'
      ? ''
      : `, offset ${off}`;
  const known = proven && plain === 'pkt' ? (fields.get('r') ?? '0') : '0';
  const enough = known === '0' ? '' : ` (${known} bytes are proven)`;
  return `points to ${what}${map === undefined || plain === 'map_ptr' ? '' : ` of '${map}'`}${nullable}${offset}${enough}`;
}
