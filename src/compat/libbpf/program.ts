// bpf_program__*: what a program is, and what may be changed of it before it is loaded.
import { SLOT_SIZE } from '../../isa/insn.ts';
import type { BpfProgram } from './handles.ts';
import { type Library, nothing, type Out, refuse } from './library.ts';
import { attachTypeName, attachTypeNumber, programTypeName, programTypeNumber } from '../../spec/numbers.ts';
import { pinProgram, unpinProgram } from './pinning.ts';

export function programFunctions(lib: Library) {
  /** Sets where the object is not loaded yet. */
  const change = (prog: BpfProgram, body: () => void, loaded: 'EBUSY' | 'EINVAL' = 'EBUSY'): number => {
    if (prog.object.loaded) return refuse(lib, loaded);
    body();
    return 0;
  };

  const api = {
    bpf_program__name: (prog: BpfProgram): string => prog.spec.name,
    bpf_program__section_name: (prog: BpfProgram): string => prog.spec.section.replace(/^\?/, ''),
    bpf_program__autoload: (prog: BpfProgram): boolean => prog.autoload,
    bpf_program__set_autoload: (prog: BpfProgram, autoload: boolean): number =>
      change(prog, () => (prog.autoload = autoload), 'EINVAL'),
    bpf_program__autoattach: (prog: BpfProgram): boolean => prog.autoattach,
    bpf_program__set_autoattach: (prog: BpfProgram, autoattach: boolean): void => {
      prog.autoattach = autoattach;
    },
    /** Instructions with those of the functions that it calls; references to maps are RFC 9669's symbolic ones, also after loading. */
    bpf_program__insns: (prog: BpfProgram): Uint8Array => prog.spec.code,
    /** Other instructions than the object's: EOPNOTSUPP, as the context loads what it read. bpf_prog_load() takes any. */
    bpf_program__set_insns: (prog: BpfProgram, _new_insns: Uint8Array, _new_insn_cnt: number): number =>
      refuse(lib, prog.object.loaded ? 'EBUSY' : 'EOPNOTSUPP'),
    bpf_program__insn_cnt: (prog: BpfProgram): number => prog.spec.code.length / SLOT_SIZE,
    bpf_program__fd: (prog: BpfProgram | null): number => {
      if (prog === null) return refuse(lib, 'EINVAL');
      return prog.fd < 0 ? refuse(lib, 'ENOENT') : prog.fd;
    },
    bpf_program__pin: (prog: BpfProgram, path: string): Promise<number> => pinProgram(lib, prog, path),
    bpf_program__unpin: (prog: BpfProgram, path: string): Promise<number> => unpinProgram(lib, prog, path),
    /** Gives back the handle. In C it returns nothing. */
    bpf_program__unload: async (prog: BpfProgram | null): Promise<void> => {
      if (prog === null || prog.fd < 0) return;
      const { fd } = prog;
      prog.fd = -1;
      await lib.session.call('object.close', { fd });
    },
    bpf_program__type: (prog: BpfProgram): number => programTypeNumber(prog.type, lib.dialect),
    bpf_program__get_type: (prog: BpfProgram): number => api.bpf_program__type(prog),
    bpf_program__set_type: (prog: BpfProgram, type: number): number => {
      const name = programTypeName(type, lib.dialect);
      if (name === undefined) return refuse(lib, 'EINVAL');
      return change(prog, () => (prog.type = name));
    },
    bpf_program__expected_attach_type: (prog: BpfProgram): number => attachTypeNumber(prog.attachType, lib.dialect),
    bpf_program__get_expected_attach_type: (prog: BpfProgram): number => api.bpf_program__expected_attach_type(prog),
    bpf_program__set_expected_attach_type: (prog: BpfProgram, type: number): number => {
      const name = attachTypeName(type, lib.dialect);
      if (name === undefined && type !== 0) return refuse(lib, 'EINVAL');
      // 0 is none, but for the types that it is one of.
      const isNone = type === 0 && prog.type !== 'cgroup_skb';
      return change(prog, () => (prog.attachType = isNone ? undefined : name));
    },
    bpf_program__flags: (prog: BpfProgram): number => prog.flags,
    /** Kept and given back; what a program's section asks for (sleepable, fragments) is what it is loaded with. */
    bpf_program__set_flags: (prog: BpfProgram, flags: number): number => change(prog, () => (prog.flags = flags >>> 0)),
    bpf_program__log_level: (prog: BpfProgram): number => prog.log.level,
    bpf_program__set_log_level: (prog: BpfProgram, log_level: number): number =>
      change(prog, () => (prog.log.level = log_level >>> 0)),
    bpf_program__log_buf: (prog: BpfProgram, log_size: Out<number>): Uint8Array | null => {
      log_size.value = prog.log.buffer?.length ?? 0;
      return prog.log.buffer;
    },
    bpf_program__set_log_buf: (prog: BpfProgram, log_buf: Uint8Array | null, log_size: number): number => {
      if (log_size > 0 && (log_buf === null || log_buf.length < log_size)) return refuse(lib, 'EINVAL');
      return change(prog, () => (prog.log.buffer = log_buf?.subarray(0, log_size) ?? null));
    },
    /** Functions only: other programs to attach to (`attach_prog_fd`) are not supported. */
    bpf_program__set_attach_target: (prog: BpfProgram, attach_prog_fd: number, attach_func_name: string): number => {
      if (attach_prog_fd < 0) return refuse(lib, 'EINVAL');
      if (attach_prog_fd !== 0) return refuse(lib, 'EOPNOTSUPP');
      return change(prog, () => (prog.attachTarget = attach_func_name), 'EINVAL');
    },
    /** In C it returns nothing; devices that programs are offloaded to are the kernel's. */
    bpf_program__set_ifindex: (_prog: BpfProgram, ifindex: number): void => {
      if (ifindex !== 0) nothing(lib, 'EOPNOTSUPP');
    },
  };
  return api;
}
