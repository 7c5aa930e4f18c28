// What the BTF and .BTF.ext readers, the value codec and CO-RE may refuse.
import { message } from '../diagnostic.ts';

export const notBtf = message('btf/not-btf', (why: string) => `not BTF: ${why}`);

export const sectionOutside = message(
  'btf/section-outside',
  (what: string, offset: number, size: number, length: number) =>
    `the ${what} part at offset ${offset} of ${size} bytes lies outside the ${length} bytes of data`,
);

export const badStrings = message('btf/strings', (why: string) => `the string part is not valid: ${why}`);

export const unknownKind = message('btf/unknown-kind', (kind: number) => `type kind ${kind} is not known`);

export const typeTruncated = message(
  'btf/type-truncated',
  (kind: string, size: number, left: number) => `a ${kind} of ${size} bytes does not fit the ${left} bytes left`,
);

export const badTypeId = message(
  'btf/type-id',
  (id: number, count: number) => `type id ${id} does not exist; there are ${count} types`,
);

export const badString = message(
  'btf/string-offset',
  (offset: number, why: string) => `the string at offset ${offset} ${why}`,
);

export const tooDeep = message(
  'btf/too-deep',
  (what: string, limit: number) => `${what} is nested more than ${limit} levels deep, or contains itself`,
);

export const noSize = message('btf/no-size', (kind: string) => `a ${kind} has no size`);

export const tooBig = message(
  'btf/too-big',
  (what: string, size: number, limit: number) => `${what} has ${size} bytes, above the limit of ${limit}`,
);

export const invalidType = message('btf/invalid', (why: string) => why);

export const cannotEncode = message('btf/encode', (why: string) => `the BTF cannot be written: ${why}`);

export const badExt = message('btf/ext', (why: string) => `.BTF.ext is not valid: ${why}`);

export const badValue = message(
  'btf/value',
  (path: string, why: string) => `${path === '' ? 'the value' : path} ${why}`,
);

export const badAccess = message(
  'btf/core-access',
  (access: string, why: string) => `the CO-RE access string "${access}" ${why}`,
);

export const ambiguous = message(
  'btf/core-ambiguous',
  (name: string, why: string) => `the candidates for '${name}' disagree: ${why}`,
);

export const cannotRelocate = message(
  'btf/core-relocation',
  (why: string) => `the CO-RE relocation cannot be applied: ${why}`,
);

export const notMinimal = message(
  'btf/minimal',
  (kind: string, name: string) => `a part of the types has another outcome for ${kind} of ${name} than the whole`,
);
