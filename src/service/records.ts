// Records of a ring on the wire: thousands of small ones are one array of bytes, and their sizes another. As JSON, each of them would
// take ten times as long as the program that made it.
import type { Events } from '../spec/session.ts';
import { CodecError } from './codec.ts';

type Records = Events['records'];

export interface PackedRecords {
  readonly fd: number;
  readonly lost: number;
  /** 32-bit little-endian, one of each record. */
  readonly sizes: Uint8Array;
  /** 32-bit little-endian, one of each record; absent where all are 0. */
  readonly cpus?: Uint8Array;
  /** The records, one behind the other. */
  readonly data: Uint8Array;
}

export function packRecords({ fd, lost, records }: Records): PackedRecords {
  const sizes = new DataView(new ArrayBuffer(records.length * 4));
  const cpus = new DataView(new ArrayBuffer(records.length * 4));
  let size = 0;
  let anyCpu = false;
  for (let i = 0; i < records.length; i++) {
    const { cpu, data } = records[i];
    sizes.setUint32(i * 4, data.length, true);
    cpus.setUint32(i * 4, cpu, true);
    anyCpu ||= cpu !== 0;
    size += data.length;
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const { data } of records) {
    all.set(data, at);
    at += data.length;
  }
  return {
    fd,
    lost,
    sizes: new Uint8Array(sizes.buffer),
    ...(anyCpu ? { cpus: new Uint8Array(cpus.buffer) } : {}),
    data: all,
  };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * The records again, as views of what arrived.
 *
 * @throws CodecError for what `packRecords` does not make
 */
export function unpackRecords(packed: PackedRecords): Records {
  const { fd, lost, sizes, cpus, data } = packed;
  const count = sizes.length / 4;
  if (!Number.isInteger(count) || (cpus !== undefined && cpus.length !== sizes.length))
    throw new CodecError('sizes and CPUs of records do not go together');
  const sizeAt = viewOf(sizes);
  const cpuAt = cpus === undefined ? undefined : viewOf(cpus);
  const records: { readonly cpu: number; readonly data: Uint8Array }[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = at + sizeAt.getUint32(i * 4, true);
    if (end > data.length) break;
    records.push({ cpu: cpuAt?.getUint32(i * 4, true) ?? 0, data: data.subarray(at, end) });
    at = end;
  }
  if (records.length !== count || at !== data.length)
    throw new CodecError(`records of other sizes than the ${data.length} bytes that they have together`);
  return { fd, lost, records };
}
