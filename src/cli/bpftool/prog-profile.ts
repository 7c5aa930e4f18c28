// `prog profile`: what a program's runs take, by the context's own counters.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { ProgramInfo } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { said } from './errors.ts';
import { programOf } from './objects.ts';
import type { Answer } from './output.ts';
import { untilInterrupted } from './stream.ts';
import type { Tool } from './tool.ts';

/** What is counted; bpftool's metrics are counters of the processor, which programs here cannot be told apart by. */
const METRICS = {
  run_cnt: (info: ProgramInfo) => info.runCount,
  run_time_ns: (info: ProgramInfo) => info.runTimeNs,
} as const;
type Metric = keyof typeof METRICS;

const HARDWARE = ['cycles', 'instructions', 'l1d_loads', 'llc_misses', 'itlb_misses', 'dtlb_misses'];

function metricOf(word: string): Metric {
  const found = (Object.keys(METRICS) as Metric[]).find((metric) => metric === word);
  if (found !== undefined) return found;
  const why = HARDWARE.includes(word) ? `${word} is a counter of the processor: not here` : `unknown metric ${word}`;
  return fail(wrongWords({}, why));
}

/** PROG [duration DURATION] METRICs: for so many seconds, or until an interrupt. */
export async function profileProgram(tool: Tool, words: Words): Promise<Answer> {
  const { fd } = await programOf(tool, words.need(3));
  const seconds = words.skip('duration') ? words.u32('duration') : undefined;
  const metrics: Metric[] = [];
  words.need(1);
  while (words.left > 0) metrics.push(metricOf(words.take()));

  const statistics = await said(tool.call('stats.enable', {}), (why) => `failed to count runs: ${why}`);
  const infoNow = async (): Promise<ProgramInfo> => {
    const info = await tool.call('object.info', { fd });
    return info.kind === 'prog' ? info : fail(wrongWords({}, 'the program is gone'));
  };
  const before = await infoNow();
  const begun = process.hrtime.bigint();
  await untilInterrupted(await tool.session(), seconds === undefined ? undefined : seconds * 1000);
  const after = await infoNow();
  const enabled = process.hrtime.bigint() - begun;
  await tool.call('object.close', statistics);

  const runs = after.runCount - before.runCount;
  const counted = metrics
    .filter((metric) => metric !== 'run_cnt')
    .map((metric) => ({ metric, value: METRICS[metric](after) - METRICS[metric](before) }));
  return {
    json: () =>
      counted.length === 0
        ? [{ metric: 'run_cnt', run_cnt: runs, value: runs, enabled, running: enabled }]
        : counted.map(({ metric, value }) => ({ metric, run_cnt: runs, value, enabled, running: enabled })),
    text: () => `\n${[{ metric: 'run_cnt', value: runs }, ...counted].map(line).join('')}`,
  };
}

const line = ({ metric, value }: { readonly metric: string; readonly value: bigint }): string =>
  `${String(value).padStart(18)} ${metric}\n`;
