// show trace: what programs print with bpf_printk, as it comes. Of Windows it is tracelog's and tracefmt's, not netsh's; the lines are
// those that `tracefmt -rt NAME -displayonly -jsonMeta 0` prints.
import type { Events } from '../../spec/session.ts';
import { untilInterrupted } from '../bpftool/stream.ts';
import { command } from './command.ts';

const padded = (number: number, digits: number, base = 10): string =>
  number.toString(base).toUpperCase().padStart(digits, '0');

/** `03/10/2022-13:56:14.226`, local time. */
function dateOf(date: Date): string {
  const day = [date.getMonth() + 1, date.getDate()].map((number) => padded(number, 2));
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((number) => padded(number, 2));
  return `${day.join('/')}/${date.getFullYear()}-${time.join(':')}.${padded(date.getMilliseconds(), 3)}`;
}

/** `[3]1760.1910::03/10/2022-13:56:14.226 [EbpfForWindowsProvider]{"Message":"Hello, world"}`: processor, process and thread in hex. */
export function traceLine({ line, cpu, pid, tgid = pid }: Events['trace'], date: Date): string {
  const where = `[${cpu}]${padded(tgid, 4, 16)}.${padded(pid, 4, 16)}`;
  return `${where}::${dateOf(date)} [EbpfForWindowsProvider]${JSON.stringify({ Message: line })}\n`;
}

export const showTrace = command({
  group: 'show',
  noun: 'trace',
  summary: 'Shows what eBPF programs print, until it is interrupted.',
  tags: {},
  async run(shell) {
    const session = await shell.session();
    const forget = session.on('trace', (event) => {
      shell.write(traceLine(event, new Date()));
    });
    try {
      await session.call('trace.subscribe', {});
      await untilInterrupted(session);
    } finally {
      forget();
    }
  },
});
