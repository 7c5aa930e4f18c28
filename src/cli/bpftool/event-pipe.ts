// `map event_pipe`: records of a perf event array or ring buffer as they come.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { Words } from './arguments.ts';
import { refuse, said } from './errors.ts';
import { mapOf } from './objects.ts';
import { type Answer, hexJson, hexText } from './output.ts';
import { STREAMED, Stream, untilInterrupted } from './stream.ts';
import type { Tool } from './tool.ts';

/** PERF_RECORD_LOST and PERF_RECORD_SAMPLE, which the JSON form gives. */
const RECORD = { lost: 2, sample: 9 } as const;

/** Only records of this CPU, at this index of the map; without them those of all. */
function placeOf(words: Words): number | undefined {
  let cpu: number | undefined;
  let index: number | undefined;
  while (words.left > 0) {
    if (words.skip('cpu')) cpu = words.u32('cpu ID');
    else if (words.skip('index')) index = words.u32('index');
    else return words.unknown();
  }
  if ((cpu === undefined) !== (index === undefined)) fail(wrongWords({}, 'must specify cpu and index together'));
  // A record's place in the map is its CPU here.
  if (cpu !== index) fail(wrongWords({}, 'cpu and index are the same here: records go to the place of their CPU'));
  return cpu;
}

/** Until an interrupt. Ring buffers too, which bpftool does not read; their records have CPU -1. */
export async function eventPipe(tool: Tool, words: Words): Promise<Answer> {
  const { fd, info } = await mapOf(tool, words.need(2));
  if (info.type !== 'perf_event_array' && info.type !== 'ringbuf') refuse('map is not a perf event array');
  const cpu = placeOf(words);
  const session = await tool.session();
  const stream = new Stream(tool);
  const forget = session.on('records', (event) => {
    if (event.fd !== fd) return;
    const timestamp = process.hrtime.bigint();
    if (event.lost > 0) {
      stream.write(
        () => ({ type: RECORD.lost, lost: { id: info.id, count: event.lost } }),
        () => `lost ${event.lost} events\n`,
      );
    }
    for (const record of event.records) {
      if (cpu !== undefined && record.cpu !== cpu) continue;
      stream.write(
        () => ({
          type: RECORD.sample,
          cpu: record.cpu,
          index: record.cpu,
          timestamp,
          data: hexJson(record.data),
        }),
        () => `== @${seconds(timestamp)} CPU: ${record.cpu} index: ${record.cpu} =====\n${hexText(record.data)}\n`,
      );
    }
  });
  await said(tool.call('map.subscribe', { fd }), (why) => `failed to read events: ${why}`);
  await untilInterrupted(session);
  forget();
  stream.end();
  return STREAMED;
}

const seconds = (nanoseconds: bigint): string =>
  `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`;
