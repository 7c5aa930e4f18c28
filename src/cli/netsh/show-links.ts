// show links: which program is attached to what. Links whose program was taken off are left out.
import { command } from './command.ts';
import { objectsOf } from './context.ts';
import { attachTypeTitle } from './names.ts';
import { LINKS, row } from './tables.ts';

export const showLinks = command({
  group: 'show',
  noun: 'links',
  summary: 'Shows eBPF links.',
  tags: {},
  async run(shell) {
    const links = (await objectsOf(await shell.session(), 'link')).filter(({ detached }) => !detached);
    shell.write(LINKS.head + links.map((l) => row(LINKS, [l.id, l.progId, attachTypeTitle(l.attachType)])).join(''));
  },
});
