// show pins: all pins, in the order of their paths.
import type { ObjectKind } from '../../spec/session.ts';
import { command } from './command.ts';
import { windowsPath } from './context.ts';
import { PINS, row } from './tables.ts';

const KINDS: { readonly [K in ObjectKind]: string } = { prog: 'Program', map: 'Map', link: 'Link', btf: 'BTF' };

export const showPins = command({
  group: 'show',
  noun: 'pins',
  summary: 'Shows pins of eBPF programs, maps and links.',
  tags: {},
  async run(shell) {
    const session = await shell.session();
    const { pins } = await session.call('object.pins', {});
    shell.write(PINS.head + pins.map(({ id, kind, path }) => row(PINS, [id, KINDS[kind], windowsPath(path)])).join(''));
  },
});
