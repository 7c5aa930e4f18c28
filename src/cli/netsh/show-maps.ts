// show maps: all maps of the context.
import { command } from './command.ts';
import { objectsOf } from './context.ts';
import { MAPS, row } from './tables.ts';

export const showMaps = command({
  group: 'show',
  noun: 'maps',
  summary: 'Shows eBPF maps.',
  tags: {},
  async run(shell) {
    const maps = await objectsOf(await shell.session(), 'map');
    const lines = maps.map((m) =>
      row(MAPS, [m.id, m.type, m.keySize, m.valueSize, m.maxEntries, m.innerMapId, m.pins.length, m.name]),
    );
    shell.write(MAPS.head + lines.join(''));
  },
});
