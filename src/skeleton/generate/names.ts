// Names in a generated file: each once, none that the file needs itself.

/** `bpf_flow_key` -> `BpfFlowKey`. */
export const pascal = (name: string): string =>
  name
    .split(/[^A-Za-z0-9]+/)
    .filter((part) => part !== '')
    .map((part) => part[0].toUpperCase() + part.slice(1))
    .join('');

/** Words that cannot be the name of a constant in a module, and those that would hide what everybody means by them. */
const RESERVED = (
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for ' +
  'function if implements import in instanceof interface let new null package private protected public return static super switch ' +
  'this throw true try typeof undefined var void while with yield any bigint boolean never number object string symbol unknown ' +
  'Array ArrayBuffer BigInt Boolean DataView Date Error Function Map Number Object Promise Proxy Record Set String Symbol Uint8Array'
).split(' ');

export class Names {
  readonly #taken: Set<string>;

  /** @param own names that the file imports */
  constructor(own: readonly string[]) {
    this.#taken = new Set([...RESERVED, ...own]);
  }

  /** This name, or the first of it with 2, 3, ... behind that is free. */
  unique(wanted: string): string {
    const name = /^[A-Za-z_$]/.test(wanted) ? wanted : `_${wanted}`;
    let free = name;
    for (let n = 2; this.#taken.has(free); n++) free = `${name}${n}`;
    this.#taken.add(free);
    return free;
  }
}

/** A property in an object literal or type. `__proto__` in quotes would set the prototype of a literal. */
export const property = (name: string): string => {
  if (name === '__proto__') return "['__proto__']";
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
};

/** Text that cannot end the comment it stands in. */
export const comment = (text: string): string =>
  text
    .replaceAll('*/', '* /')
    .replace(/[^ -~]+/g, ' ')
    .trim();
