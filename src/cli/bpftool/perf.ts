// `anybpf perf`: programs of tracepoints, kprobes and uprobes.
import type { LinkInfo, LinkTypeName } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { all, byId } from './objects.ts';
import { type Answer, listed } from './output.ts';
import type { Group, Tool } from './tool.ts';

/** Links that stand for what are perf events in the kernel. */
const PERF_LINKS: ReadonlySet<LinkTypeName> = new Set(['perf_event', 'raw_tracepoint', 'kprobe_multi', 'uprobe_multi']);

/** bpftool's fd_type, and its member for the name. */
const EVENT: Partial<Record<LinkTypeName, { readonly fdType: string; readonly member: string }>> = {
  raw_tracepoint: { fdType: 'raw_tracepoint', member: 'tracepoint' },
  kprobe_multi: { fdType: 'kprobe', member: 'func' },
  uprobe_multi: { fdType: 'uprobe', member: 'filename' },
};

const eventOf = (info: LinkInfo, programType: string): { readonly fdType: string; readonly member: string } =>
  EVENT[info.type] ??
  (programType === 'tracepoint'
    ? { fdType: 'tracepoint', member: 'tracepoint' }
    : { fdType: 'kprobe', member: 'func' });

/** There are no processes' descriptors to name here: a link's id stands in the place of `pid` and `fd`. */
async function show(tool: Tool, words: Words): Promise<Answer> {
  words.end();
  const answers: Answer[] = [];
  for await (const { info } of all(tool, 'link')) {
    if (!PERF_LINKS.has(info.type) || info.progId === 0) continue;
    const program = await byId(tool, 'prog', info.progId);
    await tool.call('object.close', { fd: program.fd });
    const { fdType, member } = eventOf(info, program.info.type);
    const name = info.target.name ?? '';
    answers.push({
      json: () => ({ link_id: info.id, prog_id: info.progId, fd_type: fdType, [member]: name }),
      text: () => `link ${info.id}: prog_id ${info.progId}  ${fdType}  ${member} ${name}\n`,
    });
  }
  return listed(answers);
}

const HELP = `% perf { show | list }
       % perf help
`;

export const perfGroup: Group = {
  name: 'perf',
  about: "programs of tracepoints and probes, in bpftool's grammar: show",
  commands: [
    ['show', show],
    ['list', show],
  ],
  help: HELP,
};
