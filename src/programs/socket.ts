// A `struct bpf_sock` in linear memory for contexts that carry one.
import type { Address, Memory, Region } from '../spec/memory.ts';
import type { SocketInfo } from '../spec/network.ts';
import { BPF_SOCK } from '../spec/sockets.ts';

type SockField = keyof (typeof BPF_SOCK)['fields'];

/** Address families and the state that sock_init_data leaves (include/net/tcp_states.h). */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const TCP_CLOSE = 7;

/** A port or protocol number from host to network byte order, or back. */
export const swap16 = (value: number): number => ((value & 0xff) << 8) | ((value >>> 8) & 0xff);

export class SocketBlock {
  readonly address: Address;
  readonly #memory: Memory;
  readonly #region: Region;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.address = memory.alloc(BPF_SOCK.size);
    this.#region = memory.addRegion({
      base: this.address,
      size: BPF_SOCK.size,
      kind: 'socket',
      name: BPF_SOCK.name,
      writable: false,
    });
  }

  /** A new socket of no family, as sk_alloc and sock_init_data make it. */
  reset(): void {
    this.#memory.u8.fill(0, this.address, this.address + BPF_SOCK.size);
    this.set('state', TCP_CLOSE);
    this.set('rx_queue_mapping', 0xffff_ffff);
  }

  /** A socket that the host describes. */
  fill(info: SocketInfo): void {
    this.reset();
    this.set('bound_dev_if', info.boundDevice);
    this.set('family', info.family);
    this.set('type', info.type);
    this.set('protocol', info.protocol);
    this.set('mark', info.mark);
    this.set('priority', info.priority);
    this.setBytes(info.family === AF_INET6 ? 'src_ip6' : 'src_ip4', info.sourceAddress);
    this.setBytes(info.family === AF_INET6 ? 'dst_ip6' : 'dst_ip4', info.destinationAddress);
    this.set('src_port', info.sourcePort);
    this.set('dst_port', swap16(info.destinationPort));
    this.set('state', info.state);
    this.set('rx_queue_mapping', info.rxQueue);
  }

  set(name: SockField, value: number): void {
    this.#memory.view.setUint32(this.address + BPF_SOCK.fields[name].offset, value, true);
  }

  setBytes(name: SockField, value: Uint8Array): void {
    this.#memory.u8.set(value.subarray(0, BPF_SOCK.fields[name].size), this.address + BPF_SOCK.fields[name].offset);
  }

  dispose(): void {
    this.#memory.removeRegion(this.#region);
    this.#memory.free(this.address);
  }
}
