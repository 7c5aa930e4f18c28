// Reading and writing the context's fields by name, whatever the layout.
import { fail } from '../base/diagnostic.ts';
import { helperRefused } from '../base/messages/helper.ts';
import type { HelperEnv, PacketArea } from '../spec/helper.ts';

/** A field of at most 4 bytes, unsigned; undefined where the context has no such field. */
export function readField(env: HelperEnv, name: string): number | undefined {
  const field = env.layout.fields[name];
  if (field === undefined) return undefined;
  const at = env.ctx + field.offset;
  const { view } = env.memory;
  if (field.size === 1) return view.getUint8(at);
  return field.size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
}

/** Sets a field of at most 4 bytes; nothing where the context has no such field. */
export function writeField(env: HelperEnv, name: string, value: number): void {
  const field = env.layout.fields[name];
  if (field === undefined) return;
  const at = env.ctx + field.offset;
  const { view } = env.memory;
  if (field.size === 1) view.setUint8(at, value);
  else if (field.size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
}

/** A field of 8 bytes; undefined where the context has no such field. */
export function readField64(env: HelperEnv, name: string): bigint | undefined {
  const field = env.layout.fields[name];
  return field === undefined ? undefined : env.memory.view.getBigUint64(env.ctx + field.offset, true);
}

export function writeField64(env: HelperEnv, name: string, value: bigint): void {
  const field = env.layout.fields[name];
  if (field !== undefined) env.memory.view.setBigUint64(env.ctx + field.offset, value, true);
}

/** The packet of the run. Helpers of packets are only given to program types that have one. */
export function packetOf(env: HelperEnv, name: string): PacketArea {
  return env.packet ?? fail(helperRefused({}, name, 'the run has no packet'));
}

/** Index of the interface that the packet is on: skb->ifindex, or where an XDP packet came in. */
export const deviceOf = (env: HelperEnv): number => readField(env, 'ifindex') ?? readField(env, 'ingress_ifindex') ?? 0;
