// Ring buffers without the host, over the state that maps/ringbuf.ts describes. Where somebody listens for records (LISTENER) the
// host hands them over, as it knows whom to wake; it also does whatever is rare, and all of it in memory that threads share.
import { ERRNO } from '../../spec/errno.ts';
import { DESCRIPTOR, RING } from '../../spec/map-layout.ts';
import { copyBytes } from './bytes.ts';
import type { CallSite } from './call-site.ts';
import { I32, I64, VOID } from './encoding.ts';
import type { Intrinsic } from './intrinsics.ts';
import { CONTROL, windowOffset } from './machine.ts';
import type { MapConstants } from './map-lookup.ts';

/** bpf_ringbuf_output's BPF_RB_NO_WAKEUP and BPF_RB_FORCE_WAKEUP, which only matter to who listens. */
const OUTPUT_FLAGS = 3;
/** bpf_ringbuf_query's BPF_RB_AVAIL_DATA and so on. */
const QUERY = { AVAIL_DATA: 0, RING_SIZE: 1, CONS_POS: 2, PROD_POS: 3 } as const;

/** The bits of r0's two windows in CONTROL.RECORD_WINDOWS. */
const R0_WINDOWS = 3;

const ringOf = (site: CallSite): MapConstants | undefined => {
  const map = site.exclusive ? site.map(1) : undefined;
  return map?.type === 'ringbuf' ? map : undefined;
};

/** Locals of a record that is being made. */
interface Room {
  /** i32: address of its header. */
  readonly header: number;
  /** i64: producer position behind it. */
  readonly end: number;
}

/**
 * Finds room for a record whose size is in a local (i64, above 0); `full` is emitted where there is none, and leaves.
 * Nothing is changed yet.
 */
function findRoom(site: CallSite, ring: MapConstants, size: number, host: () => number, full: () => void): Room {
  const { e } = site;
  const position = site.temp(I64, 1);
  const end = site.temp(I64, 2);
  const header = site.temp(I32, 1);
  const mask = ring.maxEntries - 1;
  const load = (name: 'PRODUCER' | 'CONSUMER' | 'PENDING') =>
    e.i32(0).memory('i64.load', ring.handle + DESCRIPTOR[name]);
  load('PRODUCER').tee(position);
  e.get(size)
    .i64Small(RING.HEADER + 7)
    .op('i64.add')
    .i64Small(-8)
    .op('i64.and')
    .op('i64.add')
    .set(end);
  e.get(end);
  load('CONSUMER').op('i64.sub').i64Small(mask).op('i64.gt_u').if(VOID);
  full();
  e.op('end');
  // PENDING lags: only the host moves it.
  e.get(end);
  load('PENDING').op('i64.sub').i64Small(mask).op('i64.gt_u').brIf(host());
  e.get(position).op('i32.wrap_i64').i32(mask).op('i32.and').i32(ring.data).op('i32.add').set(header);
  return { header, end };
}

/** Writes a record's header, whose length word is on the stack behind the header's address, and moves the producer on. */
function produce({ e }: CallSite, ring: MapConstants, { header, end }: Room): void {
  e.memory('i32.store', RING.LENGTH).get(header).i32(ring.handle).memory('i32.store', RING.MAP);
  e.i32(0)
    .get(end)
    .memory('i64.store', ring.handle + DESCRIPTOR.PRODUCER);
}

/** Branches to the host unless the size in a register is 1 to the most that a record may have. */
function limitSize(site: CallSite, register: number, host: () => number): void {
  const size = site.register(register);
  site.e
    .get(size)
    .i64Small(1)
    .op('i64.sub')
    .i64Small(RING.LARGEST - 1)
    .op('i64.gt_u')
    .brIf(host());
}

/** bpf_ringbuf_output(map, data, size, flags) */
export const ringOutput: Intrinsic = (site) => {
  const ring = ringOf(site);
  if (ring === undefined) return false;
  const { e } = site;
  const known = site.known(3);
  const [data, flags] = [site.temp(I32, 2), site.register(4)];
  const size = site.register(3);
  site.orHost((host) => {
    e.get(flags).i64Small(OUTPUT_FLAGS).op('i64.gt_u').brIf(host());
    e.i32(0)
      .memory('i32.load', ring.handle + DESCRIPTOR.LISTENER)
      .brIf(host());
    limitSize(site, 3, host);
    site.pushAddress(2, { local: size }, 'read', host);
    e.set(data);
    const room = findRoom(site, ring, size, host, () => {
      // What Windows' programs get instead is known to the host.
      if (site.dialect !== 'linux') e.br(host());
      else {
        e.i64Small(-ERRNO.EAGAIN);
        site.setR0();
        e.br(host() + 1);
      }
    });
    if (known?.kind === 'number') copyBytes(e, room.header, data, known.value, RING.DATA);
    else e.get(room.header).i32(RING.DATA).op('i32.add').get(data).get(size).op('i32.wrap_i64').memoryCopy();
    e.get(room.header).get(size).op('i32.wrap_i64');
    produce(site, ring, room);
    e.i64Small(0);
    site.setR0();
  });
  return true;
};

/** bpf_ringbuf_reserve(map, size, flags) */
export const ringReserve: Intrinsic = (site) => {
  const ring = ringOf(site);
  if (ring === undefined) return false;
  const { e } = site;
  const size = site.register(2);
  const record = site.control + CONTROL.RECORD;
  site.orHost((host) => {
    e.get(site.register(3)).op('i64.eqz').op('i32.eqz').brIf(host());
    limitSize(site, 2, host);
    // One at a time, so that the end of a run finds what it left.
    e.i32(0).memory('i32.load', record).brIf(host());
    const room = findRoom(site, ring, size, host, () => {
      e.i64Small(0);
      site.setR0();
      e.br(host() + 1);
    });
    e.get(room.header).get(size).op('i32.wrap_i64').i32(RING.BUSY).op('i32.or');
    produce(site, ring, room);
    e.i32(0).get(room.header).i32(RING.DATA).op('i32.add').tee(room.header).memory('i32.store', record);
    openWindows(site, room.header, size);
    e.get(room.header).op('i64.extend_i32_u');
    site.setR0();
  });
  return true;
};

/** Lets checked code access the record at the address in a local through r0, as many bytes as another local (i64) says. */
function openWindows(site: CallSite, record: number, size: number): void {
  if (!site.checked) return;
  const { e } = site;
  const bounds = site.temp(I64, 1);
  e.get(record).op('i64.extend_i32_u').tee(bounds);
  e.get(bounds).get(size).op('i64.add').i64Small(32).op('i64.shl').op('i64.or').set(bounds);
  for (const write of [false, true]) {
    e.i32(0)
      .get(bounds)
      .memory('i64.store', site.control + windowOffset(0, write));
  }
  const open = site.control + CONTROL.RECORD_WINDOWS;
  e.i32(0).i32(0).memory('i32.load', open).i32(R0_WINDOWS).op('i32.or').memory('i32.store', open);
}

/** Takes the record away from checked code: empties the windows that may show it. */
function closeWindows(site: CallSite): void {
  if (site.windows !== true) return;
  const { e } = site;
  const open = site.control + CONTROL.RECORD_WINDOWS;
  const left = site.temp(I32, 1);
  e.block(VOID).i32(0).memory('i32.load', open).tee(left).op('i32.eqz').brIf(0).loop(VOID);
  e.get(left)
    .op('i32.ctz')
    .i32(3)
    .op('i32.shl')
    .i64Small(0)
    .memory('i64.store', site.control + windowOffset(0, false));
  e.get(left).get(left).i32(1).op('i32.sub').op('i32.and').tee(left).brIf(0).op('end');
  e.i32(0).i32(0).memory('i32.store', open).op('end');
}

/** bpf_ringbuf_submit(record, flags), bpf_ringbuf_discard(record, flags) */
const ringRelease =
  (discard: number): Intrinsic =>
  (site) => {
    if (!site.exclusive) return false;
    const { e } = site;
    const record = site.control + CONTROL.RECORD;
    const header = site.temp(I32, 1);
    const word = site.temp(I32, 2);
    site.orHost((host) => {
      // Only what compiled code itself has reserved and nobody has given back meanwhile.
      e.get(site.register(1)).op('i64.eqz').brIf(host());
      e.get(site.register(1)).i32(0).memory('i64.load32_u', record).op('i64.ne').brIf(host());
      e.get(site.register(1)).op('i32.wrap_i64').i32(RING.DATA).op('i32.sub').tee(header);
      e.memory('i32.load', RING.LENGTH).tee(word).i32(0).op('i32.ge_s').brIf(host());
      e.i32(0).i32(0).memory('i32.store', record);
      e.get(header).memory('i32.load', RING.MAP).memory('i32.load', DESCRIPTOR.LISTENER).brIf(host());
      e.get(header).get(word).i32(RING.LARGEST).op('i32.and');
      if (discard !== 0) e.i32(discard).op('i32.or');
      e.memory('i32.store', RING.LENGTH);
      closeWindows(site);
      e.i64Small(0);
      site.setR0();
    });
    return true;
  };

export const ringSubmit = ringRelease(0);
export const ringDiscard = ringRelease(RING.DISCARD);

/** bpf_ringbuf_query(map, flags) */
export const ringQuery: Intrinsic = (site) => {
  const ring = ringOf(site);
  if (ring === undefined) return false;
  const { e } = site;
  const load = (name: 'PRODUCER' | 'CONSUMER') => e.i32(0).memory('i64.load', ring.handle + DESCRIPTOR[name]);
  const answers: readonly (readonly [number, () => void])[] = [
    [
      QUERY.AVAIL_DATA,
      () => {
        load('PRODUCER');
        load('CONSUMER').op('i64.sub');
      },
    ],
    [QUERY.RING_SIZE, () => e.i64(BigInt(ring.maxEntries))],
    [QUERY.CONS_POS, () => load('CONSUMER')],
    [QUERY.PROD_POS, () => load('PRODUCER')],
  ];
  for (const [flags, answer] of answers) {
    e.get(site.register(2)).i64Small(flags).op('i64.eq').if(I64);
    answer();
    e.op('else');
  }
  e.i64Small(0);
  for (let i = 0; i < answers.length; i++) e.op('end');
  site.setR0();
  return true;
};
