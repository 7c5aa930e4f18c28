// Paths of pins: one tree, many spellings.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalPin, printPin } from '../../src/context/pins.ts';
import { census, fresh, map, NOTHING, outcome, program } from './support.ts';

const TABLE: readonly (readonly [spelled: string, canonical: string])[] = [
  ['BPF:\\a\\b', 'a/b'],
  ['BPF:/a/b', 'a/b'],
  ['/sys/fs/bpf/a/b', 'a/b'],
  ['\\sys\\fs\\bpf\\a\\b', 'a/b'],
  ['/ebpf/global/a/b', 'a/b'],
  ['/a/b', 'a/b'],
  ['a/b', 'a/b'],
  ['a\\b', 'a/b'],
  ['./a//b/', 'a/b'],
  ['a/c/../b/.', 'a/b'],
  ['A/b', 'A/b'],
  ['/sys/fs/bpfx/a', 'sys/fs/bpfx/a'],
  ['/sys/fs/bpf', ''],
  ['BPF:', ''],
  ['', ''],
];

describe('canonicalPin', () => {
  it.each(TABLE)('%j is %j', (spelled, canonical) => {
    expect(canonicalPin(spelled)).toEqual({ path: canonical });
  });

  it.each([
    ['..', 'EINVAL'],
    ['/sys/fs/bpf/../kernel', 'EINVAL'],
    ['a\0b', 'EINVAL'],
    ['a'.repeat(256), 'ENAMETOOLONG'],
    ['a/'.repeat(2100), 'ENAMETOOLONG'],
  ])('%j is refused with %s', (spelled, errno) => {
    expect(canonicalPin(spelled)).toEqual({ errno });
  });

  it('is its own canonical form in every printed form', () => {
    const name = fc.stringMatching(/^[\w .:-]{1,12}$/).filter((text) => !/^\.{1,2}$|^BPF:$/.test(text));
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('linux', 'windows'),
        (names, form) => {
          const path = names.join('/');
          expect(canonicalPin(printPin(path, form))).toEqual({ path });
        },
      ),
    );
  });
});

describe('pins of a context', () => {
  it('are found by every spelling, and printed by the context', async () => {
    const session = fresh({ pinForm: 'windows' });
    const fd = await map(session);
    await session.call('object.pin', { fd, path: '/sys/fs/bpf/x/m' });
    await session.call('object.pin', { fd, path: 'y' });
    expect(await session.call('object.pins', {})).toEqual({
      pins: [
        { path: 'BPF:\\x\\m', kind: 'map', id: 1 },
        { path: 'BPF:\\y', kind: 'map', id: 1 },
      ],
    });
    expect((await session.call('object.pins', { below: 'BPF:\\x' })).pins.map(({ path }) => path)).toEqual([
      'BPF:\\x\\m',
    ]);
    expect((await session.call('object.pins', { below: 'z' })).pins).toEqual([]);
    const { kind, fd: again } = await session.call('object.get', { path: 'x\\m' });
    expect(kind).toBe('map');
    expect(await session.call('object.info', { fd: again })).toMatchObject({ id: 1, pins: ['BPF:\\x\\m', 'BPF:\\y'] });
  });

  it('keep objects when the session is gone, and let them go when they are taken away', async () => {
    const session = fresh();
    await session.call('object.pin', { fd: await program(session), path: 'p' });
    await session.close();
    expect(census(session)).toEqual({ ...NOTHING, prog: 1 });
    const other = session.context.session();
    await other.call('object.unpin', { path: 'BPF:\\p' });
    expect(census(session)).toEqual(NOTHING);
  });

  it('refuses what is taken, what is not there, and what is no place', async () => {
    const session = fresh();
    const fd = await map(session);
    await session.call('object.pin', { fd, path: 'a' });
    expect(await outcome(session, 'object.pin', { fd, path: 'BPF:\\a' })).toBe('EEXIST');
    expect(await outcome(session, 'object.pin', { fd, path: '/sys/fs/bpf/' })).toBe('EINVAL');
    expect(await outcome(session, 'object.pin', { fd: 99, path: 'b' })).toBe('EBADF');
    expect(await outcome(session, 'object.get', { path: 'A' })).toBe('ENOENT');
    expect(await outcome(session, 'object.unpin', { path: 'b' })).toBe('ENOENT');
    const stats = await session.call('stats.enable', {});
    expect(await outcome(session, 'object.pin', { fd: stats.fd, path: 'b' })).toBe('EINVAL');
  });
});
