// map.write into a ring buffer. The kernel lets only programs produce there: so one does, once, and is gone.
import { assemble } from '../../isa/assembler.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { Fd } from '../../spec/session.ts';
import { close, mapCreate, mapUpdate } from './bpf.ts';
import { checked } from './errors.ts';
import { loadProgram } from './load-program.ts';
import { testRun } from './test-run.ts';

const OPERATION = 'map.write';
/** A packet that is long enough to run a program on. */
const PACKET = new Uint8Array(64);
const BPF_RINGBUF_OUTPUT = 130;

const program = (ring: Fd, record: Fd, length: number): Uint8Array =>
  assemble(`r1 = map_by_fd(${ring})
    r2 = map_val(${record})
    r3 = ${length}
    r4 = 0
    call ${BPF_RINGBUF_OUTPUT}
    exit`).code;

/** @throws AnyBpfError ENOSPC where there is no room */
export function writeRing(ring: Fd, data: Uint8Array): void {
  const record = checked(
    OPERATION,
    mapCreate({ type: 'array', keySize: 4, valueSize: Math.max(data.length, 1), maxEntries: 1 }),
  );
  try {
    if (data.length > 0) checked(OPERATION, mapUpdate(record, new Uint8Array(4), data));
    const code = program(ring, record, data.length);
    const writer = loadProgram({ type: 'socket_filter', code, license: 'GPL', name: 'map_write' }, OPERATION, {});
    try {
      const { retval } = testRun(writer, { data: PACKET });
      // A full ring is -EAGAIN to programs.
      checked(OPERATION, (retval | 0) === -ERRNO.EAGAIN ? -ERRNO.ENOSPC : retval | 0);
    } finally {
      close(writer);
    }
  } finally {
    close(record);
  }
}
