// libbpf_probe_bpf_helper and bpf_prog_linfo__*: what the context can do, and where instructions came from.
import { read } from '../../base/structs.ts';
import { LINUX_PROG_INFO } from '../../spec/bpf-info.ts';
import { type Library, nothing, pointer, refuse, status } from './library.ts';
import { programTypeName } from '../../spec/numbers.ts';
import type { Result } from '../../spec/session.ts';

/** Names of helpers by their numbers, of the dialect. */
export type HelperNames = (number: number) => string | undefined;

type Line = Result<'prog.code'>['lines'][number];

/** struct bpf_prog_linfo. */
export class ProgLines {
  readonly lines: readonly Line[];
  constructor(lines: readonly Line[]) {
    this.lines = lines;
  }
}

/** What struct bpf_line_info says, with the strings in place of their offsets. */
export interface ProgLine {
  readonly insn_off: number;
  readonly file_name: string;
  readonly line: string;
  readonly line_num: number;
  readonly line_col: number;
}

export function probeFunctions(lib: Library, helperName: HelperNames) {
  const { session } = lib;
  const api = {
    /** 1 there for programs of this type, 0 not there, -EINVAL for numbers that are none. */
    libbpf_probe_bpf_helper: (prog_type: number, helper_id: number, opts: null = null) =>
      status(lib, async () => {
        const type = programTypeName(prog_type, lib.dialect);
        const name = helperName(helper_id);
        if (opts !== null || type === undefined) return refuse(lib, 'EINVAL');
        if (name === undefined) return 0;
        const { helpers } = await session.call('feature.probe', {});
        const known = helpers[type] ?? [];
        return known.includes(name) || known.includes(`bpf_${name}`) ? 1 : 0;
      }),
    /** `info` is a filled struct bpf_prog_info (Linux' form): its id says which program. */
    bpf_prog_linfo__new: (info: Uint8Array) =>
      pointer(lib, async () => {
        const { fd } = await session.call('object.open', { kind: 'prog', id: read(LINUX_PROG_INFO, info).id });
        try {
          const { lines } = await session.call('prog.code', { fd });
          return lines.length === 0 ? nothing(lib, 'EINVAL') : new ProgLines(lines);
        } finally {
          await session.call('object.close', { fd });
        }
      }),
    bpf_prog_linfo__free: (_prog_linfo: ProgLines | null): void => {},
    /** The line of the instruction at a slot, or `nr_skip` further. */
    bpf_prog_linfo__lfind: (prog_linfo: ProgLines, insn_off: number, nr_skip: number): ProgLine | null => {
      const from = prog_linfo.lines.slice(nr_skip);
      const found = from.findLast(({ slot }) => slot <= insn_off);
      if (found === undefined) return nothing(lib, 'ENOENT');
      const { slot, file, line, column, text } = found;
      return { insn_off: slot, file_name: file, line: text, line_num: line, line_col: column };
    },
  };
  return api;
}
