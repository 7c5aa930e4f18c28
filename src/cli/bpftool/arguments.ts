// bpftool's language: keywords that may be cut short, numbers as strtoul(3) reads them, options anywhere on the line.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import { wrongUse } from '../../base/messages/cli.ts';
import { LIVE_DRIVERS, type LiveDriver } from '../../service/protocol.ts';
import { SESSION_HOSTS, type SessionOptions } from '../session.ts';
import { refuse } from './errors.ts';

/** Whether `word` is `keyword`, or its beginning (bpftool's is_prefix). */
export const isPrefix = (word: string | undefined, keyword: string): boolean =>
  word !== undefined && keyword.startsWith(word);

const DIGITS = [
  { begins: /^0[xX](?=[0-9a-fA-F])/, digits: /^[0-9a-fA-F]+$/, base: 16 },
  { begins: /^0(?=.)/, digits: /^[0-7]+$/, base: 8 },
  { begins: /^/, digits: /^[0-9]+$/, base: 10 },
] as const;

/** A whole word as a number: decimal, hexadecimal after 0x, octal after 0; undefined where it is none. */
export function parseNumber(word: string): bigint | undefined {
  for (const { begins, digits, base } of DIGITS) {
    const found = begins.exec(word);
    if (found === null) continue;
    const rest = word.slice(found[0].length);
    if (!digits.test(rest)) return undefined;
    return base === 8 ? BigInt(`0o${rest}`) : BigInt(base === 16 ? `0x${rest}` : rest);
  }
  return undefined;
}

const MAX_U32 = 0xffff_ffffn;

/** The words of a command line, taken one after the other. */
export class Words {
  readonly #words: readonly string[];
  #at: number;

  constructor(words: readonly string[], at = 0) {
    this.#words = words;
    this.#at = at;
  }

  /** How many are left. */
  get left(): number {
    return this.#words.length - this.#at;
  }

  /** The next word, which stays. */
  get next(): string | undefined {
    return this.#words[this.#at];
  }

  /** The one that was taken last. */
  get last(): string {
    return this.#words[this.#at - 1] ?? '';
  }

  /** Takes the next word if it is this keyword or its beginning. */
  skip(keyword: string): boolean {
    const found = isPrefix(this.next, keyword);
    if (found) this.#at++;
    return found;
  }

  /** Takes the next word, which is there: `need` was called before. */
  take(): string {
    const word = this.need(1).next as string;
    this.#at++;
    return word;
  }

  /** Refuses where fewer than `count` words are left; some commands of bpftool have a status of their own for it. */
  need(count: number, status = -1): this {
    if (this.left < count) {
      refuse(`'${this.last}' needs at least ${count} arguments, ${this.left} found`, status);
    }
    return this;
  }

  /** Refuses where words are left. */
  end(): void {
    if (this.left > 0) this.unknown();
  }

  unknown(): never {
    return fail(wrongWords({}, `what is '${this.next}'?`));
  }

  /** Takes a number of 32 bits; `what` names it where it is none. */
  u32(what: string): number {
    const word = this.take();
    const value = parseNumber(word);
    if (value === undefined || value > MAX_U32) return fail(wrongWords({}, `can't parse ${word} as ${what}`));
    return Number(value);
  }

  /** Takes `count` bytes, in hexadecimal without 0x after the keyword `hex`. */
  bytes(name: string, count: number): Uint8Array {
    const out = new Uint8Array(count);
    const hex = this.skip('hex');
    let got = 0;
    while (got < count && this.left > 0) {
      const word = this.take();
      const value = hex ? parseNumber(`0x${word.replace(/^0x/i, '')}`) : parseNumber(word);
      if (value === undefined || value > 0xffn) return fail(wrongWords({}, `error parsing byte: ${word}`));
      out[got++] = Number(value);
    }
    if (got < count) fail(wrongWords({}, `${name} expected ${count} bytes got ${got}`));
    return out;
  }
}

/** bpftool's options, and ours. */
export interface ToolOptions extends SessionOptions {
  readonly json: boolean;
  readonly pretty: boolean;
  /** Says on standard error why the context refused, in our own words. */
  readonly debug: boolean;
  /** Shows where objects are pinned. */
  readonly bpffs: boolean;
  readonly version: boolean;
  readonly help: boolean;
  /** Another BTF file that the types are on top of. */
  readonly baseBtf?: string;
  /** Whose bpftool it is: what is shown of objects, and which kind of maps is created. */
  readonly dialect: 'linux' | 'windows';
  /** --host engine: the service's own engine on the packets of a real interface. */
  readonly engine: boolean;
  /** How it gets them. */
  readonly driver?: LiveDriver;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Setter = (options: Mutable<ToolOptions>) => void;

const json: Setter = (options) => {
  options.json = true;
};
const pretty: Setter = (options) => {
  options.json = true;
  options.pretty = true;
};
const debug: Setter = (options) => {
  options.debug = true;
};
const bpffs: Setter = (options) => {
  options.bpffs = true;
};
const version: Setter = (options) => {
  options.version = true;
};
const help: Setter = (options) => {
  options.help = true;
};
/** Options that change nothing here: there is no file system to mount, no old libbpf, no loader program. */
const nothing: Setter = () => undefined;

const FLAGS: Readonly<Record<string, Setter>> = {
  '-j': json,
  '--json': json,
  '-p': pretty,
  '--pretty': pretty,
  '-d': debug,
  '--debug': debug,
  '-f': bpffs,
  '--bpffs': bpffs,
  '-V': version,
  '--version': version,
  '-h': help,
  '--help': help,
  '-l': nothing,
  '--legacy': nothing,
  '-m': nothing,
  '--mapcompat': nothing,
  '-n': nothing,
  '--nomount': nothing,
  '-L': nothing,
  '--use-loader': nothing,
};

const DIALECTS = ['linux', 'windows'] as const;

function oneOf<T extends string>(option: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  return found ?? fail(wrongUse({}, `${option} is one of ${choices.join(', ')}, not '${value}'`));
}

const VALUES: Readonly<Record<string, (options: Mutable<ToolOptions>, value: string, option: string) => void>> = {
  '--host': (options, value, option) => {
    const host = oneOf(option, value, [...SESSION_HOSTS, 'engine'] as const);
    options.engine = host === 'engine';
    options.host = host === 'engine' ? 'service' : host;
  },
  '--socket': (options, value) => {
    options.socket = value;
  },
  '--driver': (options, value, option) => {
    options.driver = oneOf(option, value, LIVE_DRIVERS);
  },
  '--dialect': (options, value, option) => {
    options.dialect = oneOf(option, value, DIALECTS);
  },
  '-B': (options, value) => {
    options.baseBtf = value;
  },
  '--base-btf': (options, value) => {
    options.baseBtf = value;
  },
};

/** Options from anywhere on the line, short ones also joined (`-jp`); the words that are left. After `--` all are words. */
export function parseOptions(argv: readonly string[]): { readonly options: ToolOptions; readonly words: string[] } {
  const options: Mutable<ToolOptions> = {
    json: false,
    pretty: false,
    debug: false,
    bpffs: false,
    version: false,
    help: false,
    dialect: 'linux',
    engine: false,
  };
  const words: string[] = [];
  const rest = [...argv];
  let only = false;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (only || !/^-./.test(word)) words.push(word);
    else if (word === '--') only = true;
    else for (const option of separate(word)) apply(option, rest, options);
  }
  return { options, words };
}

/** `-jp` as `-j`, `-p`; `--host=x` as `--host`, with its value left behind the sign. */
const separate = (word: string): string[] =>
  word.startsWith('--') || word.length === 2 ? [word] : Array.from(word.slice(1), (letter) => `-${letter}`);

function apply(option: string, rest: string[], options: Mutable<ToolOptions>): void {
  const [name, joined] = splitValue(option);
  if (Object.hasOwn(VALUES, name)) {
    const value = joined ?? rest.shift();
    if (value === undefined) fail(wrongWords({}, `option '${name}' requires an argument`));
    else VALUES[name](options, value, name);
  } else if (joined === undefined && Object.hasOwn(FLAGS, name)) {
    FLAGS[name](options);
  } else {
    fail(wrongWords({}, `unrecognized option '${option}'`));
  }
}

function splitValue(option: string): [name: string, value: string | undefined] {
  const at = option.startsWith('--') ? option.indexOf('=') : -1;
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}

/** Whether a word is options without values only, alone or joined. */
export const isBpftoolFlag = (word: string): boolean =>
  /^-./.test(word) && separate(word).every((option) => Object.hasOwn(FLAGS, option));
