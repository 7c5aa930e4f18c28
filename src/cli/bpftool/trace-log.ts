// `prog tracelog`: what programs print with bpf_trace_printk, in the form of the kernel's trace_pipe.
import type { Events } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { said } from './errors.ts';
import type { Answer } from './output.ts';
import { STREAMED, Stream, untilInterrupted } from './stream.ts';
import type { Tool } from './tool.ts';

/** `           <...>-1234    [001] .....    12.345678: bpf_trace_printk: text`; the task's name is not told. */
function traceLine({ line, cpu, pid, time }: Events['trace']): string {
  const task = `<...>-${pid}`.padStart(16).padEnd(23);
  const seconds = `${time / 1_000_000_000n}.${String((time / 1000n) % 1_000_000n).padStart(6, '0')}`;
  return `${task} [${String(cpu).padStart(3, '0')}] ..... ${seconds.padStart(12)}: bpf_trace_printk: ${line}\n`;
}

/** Until an interrupt. */
export async function traceLog(tool: Tool, words: Words): Promise<Answer> {
  words.end();
  const session = await tool.session();
  const stream = new Stream(tool);
  const forget = session.on('trace', (event) => {
    const text = traceLine(event);
    stream.write(
      () => text,
      () => text,
    );
  });
  await said(tool.call('trace.subscribe', {}), (why) => `failed to open trace pipe: ${why}`);
  await untilInterrupted(session);
  forget();
  stream.end();
  return STREAMED;
}
