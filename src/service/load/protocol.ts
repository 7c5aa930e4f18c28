// What the service and a process that loads for it say to each other: plain data and bytes (service/plain.ts), in frames.
import { createHash } from 'node:crypto';
import type { Diagnostic } from '../../base/diagnostic.ts';
import { decodeBtf } from '../../btf/decode.ts';
import type { ObjectSpec } from '../../spec/object.ts';
import type { ProgramTypeName } from '../../spec/program-types.ts';
import type { Limits } from '../../verify/engine.ts';
import { encodePlain, type Plain } from '../plain.ts';

export type LoaderRequest =
  | {
      readonly kind: 'link';
      readonly object: Uint8Array;
      readonly name: string;
      /** Types of programs, by name. */
      readonly types: Readonly<Record<string, ProgramTypeName>>;
      /** Raw BTF that CO-RE relocations are resolved against. */
      readonly btf?: Uint8Array;
    }
  | {
      readonly kind: 'verify';
      /** As objectPlain gives it, with those programs only that are to be verified. */
      readonly object: Plain;
      readonly limits?: Limits;
    };

/** `begin` and `verdict` for each program in order, then `done`; of a link request `linked`; at any time `failed` or `bug`. */
export type LoaderMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'linked'; readonly object: Plain }
  | { readonly kind: 'begin'; readonly program: string }
  /** `digest`: of what was verified (objectDigest). */
  | { readonly kind: 'verdict'; readonly program: string; readonly digest: string; readonly verdict: Plain }
  | { readonly kind: 'done' }
  /** The request is refused as a whole. */
  | { readonly kind: 'failed'; readonly diagnostic: Diagnostic }
  /** A fault of the process' own code, with its stack. */
  | { readonly kind: 'bug'; readonly stack: string };

/** An object with its BTF as bytes. */
export function objectPlain({ btf, ...rest }: ObjectSpec): Plain {
  return { ...rest, ...(btf === undefined ? {} : { btf: btf.bytes }) } as unknown as Plain;
}

/** SHA-256 of an object as it is sent: what a verdict is bound to. */
export const objectDigest = (object: Plain): string => createHash('sha256').update(encodePlain(object)).digest('hex');

/**
 * An object that came from another process of ours.
 * @throws AnyBpfError btf/* where its BTF is broken
 */
export function objectOf(plain: Plain): ObjectSpec {
  const { btf, ...rest } = plain as unknown as Omit<ObjectSpec, 'btf'> & { readonly btf?: Uint8Array };
  const place = { file: rest.name, section: '.BTF' };
  return { ...rest, ...(btf === undefined ? {} : { btf: decodeBtf(btf, { place }) }) };
}

const KINDS: { readonly [K in LoaderMessage['kind']]: (message: Record<string, unknown>) => boolean } = {
  ready: () => true,
  linked: ({ object }) => typeof object === 'object' && object !== null,
  begin: ({ program }) => typeof program === 'string',
  verdict: ({ program, digest, verdict }) =>
    typeof program === 'string' && typeof digest === 'string' && typeof verdict === 'object' && verdict !== null,
  done: () => true,
  failed: ({ diagnostic }) => {
    const { code, message, severity, place } = (diagnostic ?? {}) as Record<string, unknown>;
    return [code, message, severity].every((one) => typeof one === 'string') && typeof place === 'object';
  },
  bug: ({ stack }) => typeof stack === 'string',
};

/** What came back, if it has the form of a message. */
export function asLoaderMessage(value: unknown): LoaderMessage | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  const { kind } = value;
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) return undefined;
  return KINDS[kind as LoaderMessage['kind']](value as Record<string, unknown>) ? (value as LoaderMessage) : undefined;
}
