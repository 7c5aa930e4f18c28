// libpcap: observation, where no other driver may be used. The system gets each packet whatever the verdict.
import { fail } from '../base/diagnostic.ts';
import { cannotOpen, noDevice, noNative, notFor } from '../base/messages/live.ts';
import { type Condition, type Driver, type DriverStatistics, ETH_HLEN, type Frames, MOST } from './driver.ts';
import type { CLibrary } from '../hosts/node/koffi.ts';
import { type LibC, libc, type Mapping } from './libc.ts';

const FILES = ['libpcap.so.0.8', 'libpcap.so.1', 'libpcap.so'];
const ERROR_SIZE = 256;
const PCAP_D_IN = 1;
const DLT_EN10MB = 1;
const EPERM = 1;
const EIO = 5;
const PCAP_ERROR_PERM_DENIED = -8;
/** struct pcap_pkthdr of 64-bit systems: a timeval, then caplen. */
const HEADER = 24;
const CAPLEN_AT = 16;
const SLOT = 65_536 + 64;
const BUFFER = 16 << 20;

function functions(library: CLibrary) {
  return {
    create: library.func('int64_t pcap_create(const char *device, void *error)'),
    setSnaplen: library.func('int pcap_set_snaplen(int64_t p, int length)'),
    setTimeout: library.func('int pcap_set_timeout(int64_t p, int milliseconds)'),
    setBuffer: library.func('int pcap_set_buffer_size(int64_t p, int bytes)'),
    activate: library.func('int pcap_activate(int64_t p)'),
    setNonblock: library.func('int pcap_setnonblock(int64_t p, int on, void *error)'),
    setDirection: library.func('int pcap_setdirection(int64_t p, int direction)'),
    datalink: library.func('int pcap_datalink(int64_t p)'),
    fd: library.func('int pcap_get_selectable_fd(int64_t p)'),
    next: library.func('int pcap_next_ex(int64_t p, void *header, void *data)'),
    stats: library.func('int pcap_stats(int64_t p, void *found)'),
    close: library.func('void pcap_close(int64_t p)'),
  };
}

export class Pcap implements Driver {
  readonly name = 'pcap';
  readonly layer = 'ethernet';
  readonly enforces = false;
  readonly wakes = 'burst';
  readonly mode = 'observing';
  readonly device: string;
  readonly ifindex: number;
  readonly fds: readonly number[];
  readonly #c: LibC;
  readonly #pcap: ReturnType<typeof functions>;
  readonly #handle: number;
  readonly #copy: LibC['copy'];
  #memory: Mapping | undefined;
  readonly #header = new BigUint64Array(1);
  readonly #data = new BigUint64Array(1);
  #failed = false;
  #lost = 0;

  /** @throws AnyBpfError live/no-native where there is no libpcap, live/no-device, live/open, live/not-for */
  constructor(device: string) {
    const c = libc();
    this.#c = c;
    this.device = device;
    this.ifindex = c.indexOf(device);
    if (this.ifindex === 0) fail(noDevice({}, device));
    const library =
      FILES.map((file) => c.library(file)).find((found) => found !== undefined) ??
      fail(noNative({}, `there is no libpcap (${FILES.join(', ')})`));
    this.#pcap = functions(library);
    this.#copy = c.copy;
    const error = new Uint8Array(ERROR_SIZE);
    const handle = Number(this.#pcap.create(device, error));
    this.#handle = handle;
    if (handle === 0) fail(cannotOpen({}, this.name, device, 'pcap_create', EIO, textOf(error)));
    try {
      this.#pcap.setSnaplen(handle, SLOT - 64);
      // Handed over in blocks: frame by frame, libpcap's ring has room for some dozens of this length.
      this.#pcap.setTimeout(handle, 1);
      this.#pcap.setBuffer(handle, BUFFER);
      const activated = Number(this.#pcap.activate(handle));
      if (activated < 0) {
        const errno = activated === PCAP_ERROR_PERM_DENIED ? EPERM : EIO;
        fail(cannotOpen({}, this.name, device, 'pcap_activate', errno, `libpcap's error ${activated}`));
      }
      this.#pcap.setDirection(handle, PCAP_D_IN);
      if (Number(this.#pcap.setNonblock(handle, 1, error)) < 0)
        fail(cannotOpen({}, this.name, device, 'pcap_setnonblock', EIO, textOf(error)));
      const type = Number(this.#pcap.datalink(handle));
      if (type !== DLT_EN10MB) fail(notFor({}, this.name, device, `its link type ${type} is not Ethernet`));
    } catch (failure) {
      this.#pcap.close(handle);
      throw failure;
    }
    this.fds = [Number(this.#pcap.fd(handle))];
    this.#memory = c.mapOwn(SLOT * MOST + HEADER);
  }

  receive(frames: Frames): number {
    frames.count = 0;
    const memory = this.#memory;
    if (memory === undefined) return 0;
    frames.memory = memory.bytes;
    const headerAt = SLOT * MOST;
    const [header, data] = [new Uint8Array(this.#header.buffer), new Uint8Array(this.#data.buffer)];
    let count = 0;
    while (count < MOST) {
      const got = Number(this.#pcap.next(this.#handle, header, data));
      if (got !== 1) {
        if (got < 0) this.#failed = true;
        break;
      }
      this.#copy(memory.address + headerAt, this.#header[0], HEADER);
      const length = Math.min(memory.view.getUint32(headerAt + CAPLEN_AT, true), SLOT);
      if (length < ETH_HLEN) continue;
      const at = count * SLOT;
      this.#copy(memory.address + at, this.#data[0], length);
      frames.at[count] = at;
      frames.length[count] = length;
      frames.offload[count] = -1;
      count++;
    }
    frames.count = count;
    return count;
  }

  release(): void {
    // Frames were copied.
  }

  pass(): void {
    // The system has it.
  }

  transmit(): void {
    // An observer sends nothing.
  }

  flush(): void {
    // Nothing was gathered.
  }

  retire(): void {
    // The system gets everything anyway.
  }

  condition(): Condition {
    if (this.#c.nameOf(this.ifindex) === undefined) return 'gone';
    const failed = this.#failed;
    this.#failed = false;
    return failed ? 'down' : 'up';
  }

  statistics(): DriverStatistics {
    // struct pcap_stat: received, dropped, dropped by the interface.
    const found = new Uint32Array(3);
    if (this.#memory !== undefined && Number(this.#pcap.stats(this.#handle, new Uint8Array(found.buffer))) === 0)
      this.#lost = found[1];
    return { lost: this.#lost, unsent: 0 };
  }

  close(): void {
    this.#pcap.close(this.#handle);
    this.#memory?.unmap();
    this.#memory = undefined;
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString('latin1');
