// Events in a stream, while the link that they run under gets another program again and again.
import type { ContextLink } from '../../src/context/hooks/link-object.ts';
import type { ContextProgram } from '../../src/context/program-object.ts';
import { FRAME, link, returning, type Runtime } from './support.ts';

interface Load {
  readonly events: number;
  readonly swaps: number;
}

/**
 * Feeds `events` events, singly and in batches, and swaps the program `swaps` times between them and, where a program calls out,
 * in the middle of them. Both programs give a verdict of their own: any other means that an event saw neither.
 */
export async function swapUnderLoad(session: Runtime, { events, swaps }: Load) {
  const target = { ifindex: 1 };
  const fds = [await returning(session, 1, { type: 'xdp' }), await returning(session, 3, { type: 'xdp' })];
  const programs = fds.map((fd) => session.handle(fd, '') as ContextProgram);
  const { fd } = await link(session, fds[0], 'xdp', target);
  const linkObject = session.handle(fd, '') as ContextLink;
  const hook = session.context.hooks.prepare({ attachType: 'xdp', target });
  const SIZE = 16;
  using batch = hook.batch(SIZE);
  for (let i = 0; i < SIZE; i++) batch.lay(i, { data: FRAME });
  const every = Math.floor(events / swaps);
  let seen = 0;
  let wrong = 0;
  let now = 0;
  let left = every;
  const input = { data: FRAME };
  while (seen < events) {
    if (left <= 0) {
      now = 1 - now;
      linkObject.update(programs[now], programs[1 - now], '');
      left += every;
    }
    if (seen % 3 === 0 && left >= SIZE && events - seen >= SIZE) {
      for (const verdict of batch.run()) if (verdict !== [1, 3][now]) wrong++;
      seen += SIZE;
      left -= SIZE;
    } else {
      if (hook.invoke(input) !== [1, 3][now]) wrong++;
      seen++;
      left--;
    }
    // Lets whatever else waits have its turn, as sessions that update links do.
    if (seen % 4096 < SIZE) await Promise.resolve();
  }
  return { lost: events - seen, wrong, seen };
}
