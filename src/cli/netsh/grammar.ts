// netsh's grammar: `show sections filename=x.o level=verbose`, or the values alone in the order of the tags; all words may be cut short.
import { fail } from '../../base/diagnostic.ts';
import { missingTag, notATag, notAValue, tagTwice } from '../../base/messages/netsh.ts';

/** What a command takes after its words. */
export interface Tag {
  readonly required?: true;
  /** The only values; they may be cut short, and come back whole. */
  readonly values?: readonly string[];
  /** An object's id. */
  readonly number?: true;
}

/** Tags in the order in which values without a tag are taken. */
export type Tags = Readonly<Record<string, Tag>>;

/** The values by tag: absent where it was not given. */
export type Values<T extends Tags> = {
  readonly [K in keyof T]: T[K] extends { readonly required: true } ? string : string | undefined;
};

const startsWith = (whole: string, part: string): boolean => whole.toLowerCase().startsWith(part.toLowerCase());

/** The only choice that begins so, or the one that is the same; several where that is open. */
export function matching(choices: readonly string[], word: string): readonly string[] {
  const same = choices.filter((choice) => choice.toLowerCase() === word.toLowerCase());
  return same.length > 0 ? same : choices.filter((choice) => startsWith(choice, word));
}

/** `[filename=]<string> [[level=]normal|verbose]` */
export const usageOf = (tags: Tags): string =>
  Object.entries(tags)
    .map(([name, { required, values, number }]) => {
      const tag = `[${name}=]${values?.join('|') ?? (number === true ? '<integer>' : '<string>')}`;
      return required === true ? tag : `[${tag}]`;
    })
    .join(' ');

/** @throws AnyBpfError cli/netsh-syntax */
export function parseTags<T extends Tags>(tags: T, words: readonly string[]): Values<T> {
  const names = Object.keys(tags);
  const usage = usageOf(tags);
  const given = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    const named = equals < 0 ? undefined : matching(names, word.slice(0, equals));
    if (named !== undefined && named.length !== 1) fail(notATag({}, word, usage));
    const name = named?.[0] ?? names.find((tag) => !given.has(tag)) ?? fail(notATag({}, word, usage));
    if (given.has(name)) fail(tagTwice({}, name, usage));
    given.set(name, checked(name, tags[name], word.slice(equals + 1)));
  }
  const missing = names.find((name) => tags[name].required === true && !given.has(name));
  if (missing !== undefined) fail(missingTag({}, missing, usage));
  return Object.fromEntries(given) as Values<T>;
}

function checked(name: string, { values, number }: Tag, value: string): string {
  if (number === true && !/^(?:0x[\da-f]{1,8}|\d{1,10})$/i.test(value)) fail(notAValue({}, value, name, 'a number'));
  if (values === undefined) return value;
  const [only, ...others] = matching(values, value);
  return only === undefined || others.length > 0 ? fail(notAValue({}, value, name, values.join(', '))) : only;
}
