import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { Durability } from '../../src/service/choices.ts';
import { Journal } from '../../src/service/journal.ts';
import { decodeEntries, encodeEntry, type Entry } from '../../src/service/journal-entries.ts';
import { Random } from '../support/random.ts';
import { Disk } from './disk.ts';

const set = (n: number, value = n): Entry => ({
  op: 'set',
  map: 7,
  key: Uint8Array.of(n & 0xff, n >>> 8),
  value: Uint8Array.of(value & 0xff, value >>> 8, 0xaa, 0x4d),
});

const ENTRIES: readonly Entry[] = [
  { op: 'ids', last: { map: 9, prog: 4, link: 0, btf: 2 } },
  { op: 'blob', digest: 'ab12', bytes: Uint8Array.from({ length: 300 }, (_, i) => i & 0xff) },
  {
    op: 'object',
    object: {
      kind: 'map',
      id: 7,
      needs: [{ kind: 'btf', id: 2 }],
      of: { name: 'm', extra: 5n, data: Buffer.from('abc') },
    },
  },
  set(1),
  { op: 'delete', map: 7, key: Uint8Array.of(1, 0) },
  { op: 'pin', path: 'a/b', kind: 'map', id: 7 },
  { op: 'frozen', map: 7 },
  { op: 'unpin', path: 'a/b' },
  { op: 'gone', kind: 'map', id: 7 },
];

const open = (disk: Disk, durability: Durability = 'process') => Journal.open(disk, durability);

/** As the entries were before they were bytes: Buffers are plain arrays then. */
const plain = (entries: readonly Entry[]): unknown => decodeEntries(concatBytes(entries.flatMap(encodeEntry)));

/** A journal of the entries, each in a frame of its own. */
function written(entries: readonly Entry[], disk = new Disk(), durability: Durability = 'process'): Disk {
  const { journal } = open(disk, durability);
  for (const entry of entries) {
    journal.add(entry);
    journal.flush();
  }
  journal.close();
  return disk;
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
  return 'none';
};

describe('a journal', () => {
  it('gives back what was written, over several openings and snapshots', () => {
    const disk = new Disk();
    expect(open(disk).entries).toEqual([]);
    written(ENTRIES.slice(0, 4), disk);
    written(ENTRIES.slice(4), disk);
    const again = open(disk);
    expect(again.entries).toEqual(plain(ENTRIES));
    expect(again.diagnostics).toEqual([]);
    again.journal.snapshot(ENTRIES);
    expect(disk.list()).toEqual(['snapshot.2']);
    again.journal.add(set(3));
    again.journal.flush();
    expect(disk.list()).toEqual(['snapshot.2', 'journal.2']);
    expect(open(disk).entries).toEqual(plain([...ENTRIES, set(3)]));
  });

  it('is one write for all that waits, and one sync where it is to survive the power', () => {
    for (const [durability, syncs] of [
      ['process', 0],
      ['power', 1],
    ] as const) {
      const disk = written([set(0)], new Disk(), durability);
      const { journal } = open(disk, durability);
      const before = { writes: disk.writes, syncs: disk.syncs };
      for (let i = 0; i < 1000; i++) journal.add(set(i));
      journal.flush();
      expect(disk.writes - before.writes).toBe(1);
      expect(disk.syncs - before.syncs).toBe(syncs);
    }
  });

  it('takes bytes as they are when they are added', () => {
    const disk = new Disk();
    const { journal } = open(disk);
    const key = Uint8Array.of(1);
    journal.add({ op: 'delete', map: 1, key });
    key[0] = 2;
    journal.flush();
    expect(open(disk).entries).toEqual([{ op: 'delete', map: 1, key: Uint8Array.of(1) }]);
  });

  it('is cut where it ends within an entry: nothing before is lost, and it goes on from there', () => {
    const whole = written(ENTRIES).read('journal.1');
    const ends = new Set<number>();
    for (let length = 0; length < whole.length; length++) {
      const disk = new Disk();
      disk.put('journal.1', whole.subarray(0, length));
      const { journal, entries, diagnostics } = open(disk);
      expect(entries).toEqual(plain(ENTRIES.slice(0, entries.length)));
      ends.add(entries.length);
      if (diagnostics.length > 0) expect(diagnostics[0]).toMatchObject({ code: 'state/cut', severity: 'warning' });
      journal.add(set(9));
      journal.flush();
      const after = open(disk);
      expect(after.entries).toEqual(plain([...ENTRIES.slice(0, entries.length), set(9)]));
      expect(after.diagnostics).toEqual([]);
    }
    expect(ends.size).toBe(ENTRIES.length);
  });

  it('with any byte altered is refused, or cut by its last entry: other contents never come out', () => {
    const whole = written(ENTRIES).read('journal.1');
    const outcomes: Record<string, number> = {};
    for (let at = 0; at < whole.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const bytes = whole.slice();
        bytes[at] ^= change;
        const disk = new Disk();
        disk.put('journal.1', bytes);
        const code = codeOf(() => {
          const { entries, diagnostics } = open(disk);
          expect(diagnostics.map((one) => one.code)).toEqual(['state/cut']);
          expect(entries).toEqual(plain(ENTRIES.slice(0, -1)));
        });
        outcomes[code] = (outcomes[code] ?? 0) + 1;
        // Refused, it stays as it is.
        if (code !== 'none') expect(disk.read('journal.1')).toEqual(bytes);
      }
    }
    expect(Object.keys(outcomes).sort()).toEqual(['none', 'state/corrupt']);
  });

  it('refuses a snapshot with any byte altered, or without its end, and leaves the files', () => {
    const disk = new Disk();
    open(disk).journal.snapshot(ENTRIES);
    const whole = disk.read('snapshot.2');
    for (let at = 0; at < whole.length; at++) {
      for (const bytes of [whole.slice(0, at), whole.map((byte, i) => (i === at ? byte ^ 0x10 : byte))]) {
        const altered = new Disk();
        altered.put('snapshot.2', bytes);
        altered.put('journal.1', Uint8Array.of(1));
        expect(codeOf(() => open(altered))).toBe('state/corrupt');
        expect(altered.list().sort()).toEqual(['journal.1', 'snapshot.2']);
      }
    }
  });

  it('refuses another form, and a journal without its snapshot', () => {
    const disk = written([set(1)]);
    const bytes = disk.read('journal.1');
    const later = new Disk();
    // Form 2, with the right checksum over it.
    later.put(
      'journal.1',
      Uint8Array.from(Buffer.from('414e594250465354020000000100000001000000000000006cf8f4ce', 'hex')),
    );
    expect(['state/version', 'state/corrupt']).toContain(codeOf(() => open(later)));
    const stray = new Disk();
    stray.put('journal.4', bytes);
    expect(codeOf(() => open(stray))).toBe('state/corrupt');
  });

  it('whatever moment a snapshot ends in, all that was acknowledged is there', () => {
    const random = new Random(5);
    for (let trial = 0; trial < 300; trial++) {
      const disk = written(ENTRIES.slice(0, 4));
      const { journal } = open(disk);
      disk.room = random.below(600);
      const code = codeOf(() => journal.snapshot(ENTRIES.slice(0, 4)));
      disk.room = Number.POSITIVE_INFINITY;
      expect(['none', 'state/not-written']).toContain(code);
      expect(open(disk).entries).toEqual(plain(ENTRIES.slice(0, 4)));
    }
  });

  it('that cannot be written says so, and writes it later', () => {
    for (let room = 0; room < 120; room++) {
      const disk = written([set(1)]);
      const { journal } = open(disk);
      disk.room = room;
      const codes = [set(2), set(3), set(4)].map((entry) =>
        codeOf(() => {
          journal.add(entry);
          journal.flush();
        }),
      );
      expect(codes.filter((code) => code !== 'none').every((code) => code === 'state/not-written')).toBe(true);
      disk.room = Number.POSITIVE_INFINITY;
      journal.add(set(5));
      journal.flush();
      expect(open(disk).entries).toEqual(plain([1, 2, 3, 4, 5].map((n) => set(n))));
    }
  });

  it('after a power loss has all that was acknowledged with `power`, and nothing else than what was written', () => {
    const random = new Random(11);
    const fraction = (): number => random.u32() / 2 ** 32;
    for (let trial = 0; trial < 500; trial++) {
      const disk = new Disk();
      const { journal } = open(disk, 'power');
      const all: Entry[] = [];
      let acknowledged = 0;
      const steps = random.below(12);
      for (let step = 0; step < steps; step++) {
        for (let i = random.below(4); i >= 0; i--) {
          all.push(set(all.length));
          journal.add(all.at(-1) as Entry);
        }
        if (random.below(5) === 0) journal.snapshot(all);
        else journal.flush();
        acknowledged = all.length;
      }
      // The power fails within the next write.
      journal.add(set(1000));
      disk.room = random.below(80);
      codeOf(() => journal.flush());
      const { entries } = open(disk.afterPowerLoss(fraction), 'power');
      expect(entries.slice(0, acknowledged)).toEqual(plain(all));
      expect(entries.length - acknowledged).toBeLessThanOrEqual(1);
    }
  });

  it('gives any entries back', () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    const id = fc.nat({ max: 0xffff_ffff });
    const entry: fc.Arbitrary<Entry> = fc.oneof(
      fc.record({ op: fc.constant('set' as const), map: id, key: bytes, value: bytes }),
      fc.record({ op: fc.constant('delete' as const), map: id, key: bytes }),
      fc.record({ op: fc.constant('blob' as const), digest: fc.string(), bytes }),
      fc.record({ op: fc.constant('unpin' as const), path: fc.string({ unit: 'binary' }) }),
      fc.record({ op: fc.constant('pin' as const), path: fc.string(), kind: fc.constant('link' as const), id }),
    );
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        expect(open(written(entries)).entries).toEqual(plain(entries));
      }),
    );
  });
});
