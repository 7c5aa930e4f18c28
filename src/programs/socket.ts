// A `struct bpf_sock` in linear memory for contexts that carry one.
import type { Address, Memory, Region } from '../spec/memory.ts';
import { BPF_SOCK } from '../spec/sockets.ts';

type SockField = keyof (typeof BPF_SOCK)['fields'];

/** Address families and the state that sock_init_data leaves (include/net/tcp_states.h). */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const TCP_CLOSE = 7;

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
