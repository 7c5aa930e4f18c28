// Waiting for all runs that have begun: the kernel does so when an inner map is replaced (kernel/bpf/syscall.c:
// maybe_wait_bpf_programs, synchronize_rcu), which libbpf's selftests use for the same.
import { close, mapCreate, mapUpdate } from './bpf.ts';
import { checked } from './errors.ts';

const OPERATION = 'context.synchronize';
const INNER = { type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 } as const;
const ZERO = new Uint8Array(4);

export function synchronize(): void {
  const inner = checked(OPERATION, mapCreate(INNER));
  try {
    const outer = checked(
      OPERATION,
      mapCreate({ type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 1, innerFd: inner }),
    );
    try {
      checked(OPERATION, mapUpdate(outer, ZERO, new Uint8Array(Uint32Array.of(inner).buffer)));
    } finally {
      close(outer);
    }
  } finally {
    close(inner);
  }
}
