// The part of JSON Schema (2020-12) that the project's own schemas use. An unknown keyword is an error of the schema.

type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS: ReadonlySet<string> = new Set(['$schema', '$id', '$defs', 'title', 'description']);

type Check = (value: unknown, argument: never, schema: Schema, root: Schema, at: string) => string[];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (v) => typeof v === 'string',
  boolean: (v) => typeof v === 'boolean',
  integer: (v) => Number.isInteger(v),
  array: (v) => Array.isArray(v),
  object: isObject,
};

const when = (wrong: boolean, at: string, what: string): string[] => (wrong ? [`${at}: ${what}`] : []);

const CHECKS: Readonly<Record<string, Check>> = {
  type: (value, type: string, _schema, _root, at) => when(!TYPES[type](value), at, `is not of type ${type}`),
  enum: (value, values: readonly unknown[], _schema, _root, at) =>
    when(!values.includes(value), at, `is none of ${values.join(', ')}`),
  pattern: (value, pattern: string, _schema, _root, at) =>
    when(typeof value === 'string' && !new RegExp(pattern, 'u').test(value), at, `does not match ${pattern}`),
  minimum: (value, least: number, _schema, _root, at) =>
    when(typeof value === 'number' && value < least, at, `is below ${least}`),
  required: (value, names: readonly string[], _schema, _root, at) =>
    isObject(value) ? names.filter((name) => !(name in value)).map((name) => `${at}: lacks ${name}`) : [],
  properties: (value, members: Readonly<Record<string, Schema>>, _schema, root, at) =>
    isObject(value)
      ? Object.entries(members).flatMap(([name, member]) =>
          name in value ? violations(value[name], member, root, `${at}.${name}`) : [],
        )
      : [],
  additionalProperties: (value, allowed: boolean, schema, _root, at) =>
    isObject(value) && !allowed
      ? Object.keys(value)
          .filter((name) => !(name in ((schema.properties ?? {}) as object)))
          .map((name) => `${at}: has ${name}, which is not described`)
      : [],
  items: (value, item: Schema, _schema, root, at) =>
    Array.isArray(value) ? value.flatMap((element, i) => violations(element, item, root, `${at}[${i}]`)) : [],
  $ref: (value, reference: string, _schema, root, at) => {
    const target = reference
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((part, name) => (part as Schema)[name], root);
    if (!isObject(target)) throw new Error(`the schema has no ${reference}`);
    return violations(value, target, root, at);
  },
};

/** What of a value is not as the schema says, each with its place; empty where all is. */
export function violations(value: unknown, schema: Schema, root: Schema = schema, at = '$'): string[] {
  return Object.entries(schema).flatMap(([keyword, argument]) => {
    if (ANNOTATIONS.has(keyword)) return [];
    const check = CHECKS[keyword];
    if (check === undefined) throw new Error(`the schema uses ${keyword}, which is not checked here`);
    return check(value, argument as never, schema, root, at);
  });
}
