// Attach types as eBPF for Windows' ebpf_program_attach_by_fds takes them: a GUID, and a parameter whose bytes are the hook's matter.
// Sources: include/ebpf_program_attach_type_guids.h, docs of netebpfext and xdp-for-windows. Not run on Windows.
import { fail } from '../../base/diagnostic.ts';
import { refused } from '../../base/messages/session.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { ATTACH_TYPES, AttachTypeName } from '../../spec/program-types.ts';
import type { AttachTarget } from '../../spec/session.ts';

export type WindowsAttachType = {
  [A in AttachTypeName]: (typeof ATTACH_TYPES)[A] extends { readonly windows: number } ? A : never;
}[AttachTypeName];

type Parameter = 'ifindex' | 'compartment' | 'none';

/** What each hook takes: an interface's index, a compartment (0, UNSPECIFIED_COMPARTMENT_ID, for all), nothing. */
export const ATTACH_PARAMETERS: { readonly [A in WindowsAttachType]: Parameter } = {
  xdp: 'ifindex',
  bind: 'none',
  cgroup_inet4_connect: 'compartment',
  cgroup_inet6_connect: 'compartment',
  cgroup_inet4_connect_authorization: 'compartment',
  cgroup_inet6_connect_authorization: 'compartment',
  cgroup_inet4_bind: 'compartment',
  cgroup_inet6_bind: 'compartment',
  cgroup_inet4_listen: 'compartment',
  cgroup_inet6_listen: 'compartment',
  cgroup_inet4_recv_accept: 'compartment',
  cgroup_inet6_recv_accept: 'compartment',
  cgroup_sock_ops: 'compartment',
  // Those of extensions.
  sample: 'none',
  netevent: 'none',
  process: 'none',
};

const isWindows = (attachType: AttachTypeName): attachType is WindowsAttachType =>
  Object.hasOwn(ATTACH_PARAMETERS, attachType);

/** @returns a little-endian u32, or nothing. @throws AnyBpfError ENOTSUPP for attach types that Windows does not have */
export function attachParameter(attachType: AttachTypeName, target: AttachTarget): Uint8Array {
  if (!isWindows(attachType))
    return fail(refused({}, 'attach', ERRNO.ENOTSUPP, 'ENOTSUPP', `Windows has no ${attachType}`));
  const parameter = ATTACH_PARAMETERS[attachType];
  if (parameter === 'none') return new Uint8Array(0);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, target[parameter] ?? 0, true);
  return bytes;
}

const GUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i;

/** The 16 bytes of a GUID as C's struct has them: three numbers in little-endian order, then eight bytes. */
export function guidBytes(text: string): Uint8Array {
  const parts = GUID.exec(text);
  if (parts === null) return fail(refused({}, 'attach', ERRNO.EINVAL, 'EINVAL', `'${text}' is no GUID`));
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Number.parseInt(parts[1], 16), true);
  view.setUint16(4, Number.parseInt(parts[2], 16), true);
  view.setUint16(6, Number.parseInt(parts[3], 16), true);
  const rest = `${parts[4]}${parts[5]}`;
  for (let i = 0; i < 8; i++) bytes[8 + i] = Number.parseInt(rest.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** The text of 16 bytes, in lower case. */
export function guidText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const rest = Array.from(bytes.subarray(8, 16), (byte) => hex(byte, 2)).join('');
  const head = [hex(view.getUint32(0, true), 8), hex(view.getUint16(4, true), 4), hex(view.getUint16(6, true), 4)];
  return [...head, rest.slice(0, 4), rest.slice(4)].join('-');
}
