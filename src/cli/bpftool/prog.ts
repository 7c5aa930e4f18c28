// `anybpf prog`: programs as bpftool shows, loads and runs them.
import { uptime } from 'node:os';
import { ERRNO } from '../../spec/errno.ts';
import type { AttachTypeName } from '../../spec/program-types.ts';
import type { AttachTarget, Fd, ProgramInfo } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { refuse, said } from './errors.ts';
import { all, mapOf, pinOf, programOf, programsOf } from './objects.ts';
import { alternatives, type Answer, DONE, type Json, listed } from './output.ts';
import { dumpProgram } from './prog-dump.ts';
import { loadAll, loadFirst, SECTION_TYPES } from './prog-load.ts';
import { profileProgram } from './prog-profile.ts';
import { runProgram } from './prog-run.ts';
import { traceLog } from './trace-log.ts';
import type { Group, Run, Tool } from './tool.ts';

const PAGE = 4096;
const NANOSECONDS = 1_000_000_000n;

/** Whole pages of instructions and code, as the kernel charges them. */
const memoryOf = (info: ProgramInfo): number => Math.ceil((info.bytesXlated + info.bytesJited) / PAGE) * PAGE;

/** Seconds since 1970, out of nanoseconds since boot. */
const loadedAt = (info: ProgramInfo): number =>
  Math.floor(Date.now() / 1000 - uptime() + Number(info.loadedAt / NANOSECONDS));

const hasRun = (info: ProgramInfo): boolean => info.runCount > 0n;

function programJson(tool: Tool, info: ProgramInfo, pins: boolean): Json {
  const statistics = hasRun(info) ? { run_time_ns: info.runTimeNs, run_cnt: info.runCount } : {};
  return {
    id: info.id,
    type: info.type,
    name: info.name === '' ? undefined : info.name,
    ...(tool.windows
      ? {}
      : {
          tag: info.tag,
          gpl_compatible: info.gplCompatible,
          ...statistics,
          ...(info.loadedAt === 0n ? {} : { loaded_at: loadedAt(info), uid: info.uid }),
          bytes_xlated: info.bytesXlated,
          jited: info.bytesJited > 0,
          bytes_jited: info.bytesJited > 0 ? info.bytesJited : undefined,
          bytes_memlock: memoryOf(info),
        }),
    map_ids: info.mapIds.length === 0 ? undefined : info.mapIds,
    btf_id: info.btfId === 0 ? undefined : info.btfId,
    pinned: pins ? info.pins : undefined,
  };
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-24T15:54:42+0000`, in the time zone of the machine. */
function localTime(seconds: number): string {
  const at = new Date(seconds * 1000);
  const offset = -at.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${zone}`;
}

function programText(tool: Tool, info: ProgramInfo, pins: boolean): string {
  const name = info.name === '' ? '' : `name ${info.name}  `;
  const maps = info.mapIds.length === 0 ? '' : `  map_ids ${info.mapIds.join(',')}`;
  if (tool.windows) return `${info.id}: ${info.type}  ${name}\n${maps}\n`;
  const gpl = info.gplCompatible ? '  gpl' : '';
  const statistics = hasRun(info) ? ` run_time_ns ${info.runTimeNs} run_cnt ${info.runCount}` : '';
  const jited = info.bytesJited > 0 ? `jited ${info.bytesJited}B` : 'not jited';
  return [
    `${info.id}: ${info.type}  ${name}tag ${info.tag}${gpl}${statistics}`,
    ...(info.loadedAt === 0n ? [] : [`\tloaded_at ${localTime(loadedAt(info))}  uid ${info.uid}`]),
    `\txlated ${info.bytesXlated}B  ${jited}  memlock ${memoryOf(info)}B${maps}`,
    ...(pins ? info.pins.map((path) => `\tpinned ${path}`) : []),
    ...(info.btfId === 0 ? [] : [`\tbtf_id ${info.btfId}`]),
    '',
  ].join('\n');
}

async function show(tool: Tool, words: Words): Promise<Answer> {
  const pins = tool.options.bpffs && (await tool.call('object.pins', {})).pins.some(({ kind }) => kind === 'prog');
  const shown = (info: ProgramInfo): Answer => ({
    json: () => programJson(tool, info, pins),
    text: () => programText(tool, info, pins),
  });
  if (words.left === 2) {
    const answers = (await programsOf(tool, words)).map(({ info }) => shown(info));
    return answers.length === 1 ? answers[0] : listed(answers);
  }
  words.end();
  const answers: Answer[] = [];
  for await (const { info } of all(tool, 'prog')) answers.push(shown(info));
  return listed(answers);
}

/** bpftool's words for what `prog attach` attaches to, all but the last a map. */
const ATTACH_WORDS: Readonly<Record<string, AttachTypeName>> = {
  sk_msg_verdict: 'sk_msg_verdict',
  sk_skb_verdict: 'sk_skb_verdict',
  sk_skb_stream_verdict: 'sk_skb_stream_verdict',
  sk_skb_stream_parser: 'sk_skb_stream_parser',
  flow_dissector: 'flow_dissector',
  // Names that the kernel had before.
  msg_verdict: 'sk_msg_verdict',
  skb_verdict: 'sk_skb_stream_verdict',
  stream_verdict: 'sk_skb_stream_verdict',
  stream_parser: 'sk_skb_stream_parser',
};

interface Attachment {
  readonly fd: Fd;
  readonly attachType: AttachTypeName;
  readonly target: AttachTarget;
}

/** PROG ATTACH_TYPE [MAP] */
async function attachmentOf(tool: Tool, words: Words): Promise<Attachment> {
  const { fd } = await programOf(tool, words.need(3));
  const word = words.take();
  const attachType = Object.hasOwn(ATTACH_WORDS, word) ? ATTACH_WORDS[word] : undefined;
  if (attachType === undefined) return refuse('invalid attach/detach type', -ERRNO.EINVAL);
  if (attachType === 'flow_dissector') {
    words.end();
    return { fd, attachType, target: {} };
  }
  const { fd: mapFd } = await mapOf(tool, words.need(2));
  words.end();
  return { fd, attachType, target: { mapFd } };
}

const attach: Run = async (tool, words) => {
  await said(tool.call('prog.attach', await attachmentOf(tool, words)), () => 'failed prog attach to map');
  return DONE;
};

const detach: Run = async (tool, words) => {
  await said(tool.call('prog.detach', await attachmentOf(tool, words)), () => 'failed prog detach from map');
  return DONE;
};

const HELP = `% prog { show | list } [PROG]
       % prog dump xlated PROG [{ file FILE | opcodes | visual | linum }]
       % prog dump jited  PROG [{ file FILE | opcodes | linum }]
       % prog pin   PROG FILE
       % prog { load | loadall } OBJ  PATH \\
                         [type TYPE] [dev NAME] \\
                         [map { idx IDX | name NAME } MAP]\\
                         [pinmaps MAP_DIR]\\
                         [autoattach] [kernel_btf BTF_FILE]
       % prog attach PROG ATTACH_TYPE [MAP]
       % prog detach PROG ATTACH_TYPE [MAP]
       % prog run PROG \\
                         data_in FILE \\
                         [data_out FILE [data_size_out L]] \\
                         [ctx_in FILE [ctx_out FILE [ctx_size_out M]]] \\
                         [repeat N]
       % prog profile PROG [duration DURATION] METRICs
       % prog tracelog
       % prog help

       MAP := { id MAP_ID | pinned FILE | name MAP_NAME }
       PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }
       TYPE := { ${alternatives(SECTION_TYPES)} }
       ATTACH_TYPE := { sk_msg_verdict | sk_skb_verdict | sk_skb_stream_verdict |
                        sk_skb_stream_parser | flow_dissector }
       METRIC := { run_cnt | run_time_ns }
`;

/** eBPF for Windows' bpftool. */
const WINDOWS_HELP = `% prog { show | list } [PROG]
       % prog pin   PROG FILE
       % prog { load | loadall } OBJ  PATH \\
                         [type TYPE] \\
                         [pinmaps MAP_DIR]
       % prog help

       PROG := { id PROG_ID | pinned FILE | name PROG_NAME }
       TYPE := { bind | cgroup/connect4 | cgroup/connect6 | xdp }
       OPTIONS := { {-j|--json} [{-p|--pretty}] | {-d|--debug} | {-l|--legacy} |
                    {-m|--mapcompat} | 
`;

export const progGroup: Group = {
  name: 'prog',
  about: "programs, in bpftool's grammar: show, load, run, dump, pin, attach, ...",
  commands: [
    ['show', show],
    ['list', show],
    ['dump', dumpProgram],
    ['pin', pinOf(programOf)],
    ['load', loadFirst],
    ['loadall', loadAll],
    ['attach', attach],
    ['detach', detach],
    ['tracelog', traceLog],
    ['run', runProgram],
    ['profile', profileProgram],
  ],
  help: HELP,
  windowsHelp: WINDOWS_HELP,
};
