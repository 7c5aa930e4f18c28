// Shorthand for context tables: offset and size first, then what differs from a plain read-only scalar.
import type { ContextField, ContextLayout, FieldKind } from '../spec/program.ts';
import type { AttachTypeName } from '../spec/program-types.ts';

type Access = ContextField['access'];
type Size = ContextField['size'];

export interface FieldOptions {
  readonly kind?: FieldKind;
  readonly only?: readonly AttachTypeName[];
  readonly storeOnly?: readonly AttachTypeName[];
  readonly narrow?: ContextField['narrow'];
  readonly wide?: boolean;
  readonly narrowStore?: boolean;
}

export const field = (
  offset: number,
  size: Size,
  access: Access = 'read',
  options: FieldOptions = {},
): ContextField => ({ offset, size, kind: 'scalar', access, ...options });

/** Read-only, and loads of fewer bytes are allowed (bpf_ctx_narrow_access_ok). */
export const narrow = (offset: number, size: Size, options: FieldOptions = {}): ContextField =>
  field(offset, size, 'read', { narrow: true, ...options });

/** A pointer of a packet, `size` bytes wide: 4 in Linux' `xdp_md` and `__sk_buff`, else 8. */
export const packet = (offset: number, size: 4 | 8, kind: FieldKind): ContextField =>
  field(offset, size, 'read', { kind });

/** The `struct bpf_sock *sk` of many contexts. */
export const socket = (offset: number, options: FieldOptions = {}): ContextField =>
  field(offset, 8, 'read', { kind: 'socketOrNull', ...options });

/** Consecutive fields of one size and kind, as arrays of registers and arguments are. */
export function series(
  names: readonly string[],
  size: Size,
  access: Access = 'read',
  options: FieldOptions = {},
  base = 0,
): Readonly<Record<string, ContextField>> {
  return Object.fromEntries(names.map((name, i) => [name, field(base + i * size, size, access, options)]));
}

/** The same fields with loads of parts of them allowed. */
export const narrowed = (fields: ContextLayout['fields']): ContextLayout['fields'] =>
  Object.fromEntries(Object.entries(fields).map(([name, row]) => [name, { ...row, narrow: true }]));

/** Whether a program of this type may store to its context at all. */
export const hasWritable = (layout: ContextLayout): boolean =>
  layout.raw?.access === 'read-write' || Object.values(layout.fields).some(({ access }) => access !== 'read');
