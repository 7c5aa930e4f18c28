// Lines of bpf_trace_printk, from tracefs' trace_pipe. It is the whole machine's: lines of other programs come too, and who reads one
// takes it away from other readers.
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { refuseFile } from './errors.ts';
import { withTracefs } from './mounts.ts';
import { native } from './native.ts';
import type { LinuxSession } from './session.ts';

const SUBSCRIBED = new WeakSet<LinuxSession>();
const CHUNK = 65_536;

export function subscribeTrace(session: LinuxSession): void {
  if (SUBSCRIBED.has(session)) return;
  const operation = 'trace.subscribe';
  const pipe = withTracefs(operation, (folder) => {
    try {
      turnOn(`${folder}/tracing_on`);
      return openSync(`${folder}/trace_pipe`, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      return refuseFile(operation, error);
    }
  });
  SUBSCRIBED.add(session);
  let rest = '';
  const buffer = new Uint8Array(CHUNK);
  const decoder = new TextDecoder();
  const watch = native().watch(pipe, () => {
    for (;;) {
      let length: number;
      try {
        length = readSync(pipe, buffer);
      } catch {
        // EAGAIN: all is read.
        return;
      }
      if (length === 0) return;
      const lines = (rest + decoder.decode(buffer.subarray(0, length), { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = traceEvent(line);
        if (event !== undefined) session.emit('trace', event);
      }
    }
  });
  session.onClose(() => {
    watch.close();
    closeSync(pipe);
  });
}

/** Where recording is off, programs print into nothing. It stays on: others may have begun to read meanwhile. */
function turnOn(file: string): void {
  if (readFileSync(file, 'utf8').trim() === '0') writeFileSync(file, '1');
}

/** `  task-1234    [001] d..31  12.345678: bpf_trace_printk: text`; undefined for other lines of the pipe. */
export function traceEvent(line: string) {
  const found = /^.*?-(\d+)\s+(?:\(\s*[-\d]+\)\s+)?\[(\d+)\]\s+\S+\s+(\d+)\.(\d{6}): bpf_trace_printk: (.*)$/.exec(
    line,
  );
  if (found === null) return undefined;
  const [, pid, cpu, seconds, micros, text] = found;
  return {
    line: text,
    cpu: Number(cpu),
    pid: Number(pid),
    time: BigInt(seconds) * 1_000_000_000n + BigInt(micros) * 1000n,
  };
}
