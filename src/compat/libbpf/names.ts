// libbpf_*: names and numbers, texts of errors, versions.
import { utf8 } from '../../base/bytes.ts';
import { LIBBPF_SECTIONS, type SectionRule, sectionRule } from '../../link/sections.ts';
import type { Dialect } from '../../spec/object.ts';
import { LINK_TYPES } from '../../spec/session.ts';
import { errorText } from './errors.ts';
import { type Library, type Out, type PrintFunction, refuse } from './library.ts';
import {
  attachTypeName,
  attachTypeNumber,
  type Enumerators,
  enumeratorsOf,
  mapTypeName,
  programTypeName,
  programTypeNumber,
} from '../../spec/numbers.ts';

/** The version whose headers are followed. */
const VERSION = { major: 1, minor: 1 } as const;

/** libbpf's own rule for a section, without what link takes beyond it for the sake of older objects. */
function ownRule(name: string, dialect: Dialect): SectionRule | undefined {
  const rule = sectionRule(name, dialect)?.rule;
  if (rule === undefined || dialect === 'windows') return rule;
  const isExact = /[+*]$/.test(rule.pattern) || rule.pattern === name;
  return isExact && LIBBPF_SECTIONS.includes(rule) ? rule : undefined;
}

/** Rules whose attach type is what the program is loaded for only, not what bpf_prog_attach() takes (no SEC_ATTACHABLE). */
const NOT_ATTACHABLE = /^trace_|^modify_return$|^lsm_|^netfilter$/;

export function nameFunctions(lib: Library) {
  const { dialect } = lib;
  const api = {
    libbpf_major_version: (): number => VERSION.major,
    libbpf_minor_version: (): number => VERSION.minor,
    libbpf_version_string: (): string => `v${VERSION.major}.${VERSION.minor}`,
    /** Fills `buf` with text and NUL. -ENOENT for a number that is none of libbpf's, -ERANGE where it does not fit. */
    libbpf_strerror: (err: number, buf: Uint8Array | null, size: number): number => {
      if (buf === null || size === 0) return refuse(lib, 'EINVAL');
      const { text, known } = errorText(err);
      const bytes = utf8(text);
      const room = Math.min(size, buf.length) - 1;
      buf.set(bytes.subarray(0, room));
      buf[Math.min(bytes.length, room)] = 0;
      if (!known) return refuse(lib, 'ENOENT');
      return bytes.length > room ? refuse(lib, 'ERANGE') : 0;
    },
    /** 0 for an object, the last error negated for null. */
    libbpf_get_error: (ptr: unknown): number => (ptr === null ? -lib.errno : 0),
    /** Nothing is printed until a function is set. Gives the one before. */
    libbpf_set_print: (fn: PrintFunction | null): PrintFunction | null => {
      const before = lib.print;
      lib.print = fn;
      return before;
    },
    /** Nothing happens since 1.0: all is strict. */
    libbpf_set_strict_mode: (_mode: number): number => 0,
    libbpf_set_memlock_rlim: (_memlock_bytes: number): number => 0,
    libbpf_bpf_attach_type_str: (t: number): string | null => attachTypeName(t, dialect) ?? null,
    libbpf_bpf_link_type_str: (t: number): string | null => LINK_TYPES[t] ?? null,
    libbpf_bpf_map_type_str: (t: number): string | null => (t === 0 ? 'unspec' : (mapTypeName(t, dialect) ?? null)),
    libbpf_bpf_prog_type_str: (t: number): string | null => programTypeName(t, dialect) ?? null,
    libbpf_prog_type_by_name: (
      name: string | null,
      prog_type: Out<number>,
      expected_attach_type: Out<number>,
    ): number => {
      if (name === null) return refuse(lib, 'EINVAL');
      const rule = ownRule(name, dialect);
      if (rule === undefined) return refuse(lib, 'ESRCH');
      prog_type.value = programTypeNumber(rule.type, dialect);
      expected_attach_type.value = attachTypeNumber(rule.attachType, dialect);
      return 0;
    },
    libbpf_attach_type_by_name: (name: string | null, attach_type: Out<number>): number => {
      const rule = name === null ? undefined : ownRule(name, dialect);
      const attachType = rule?.attachType;
      if (attachType === undefined || NOT_ATTACHABLE.test(attachType) || rule?.fragments === true)
        return refuse(lib, 'EINVAL');
      attach_type.value = attachTypeNumber(attachType, dialect);
      return 0;
    },
    /** The enumerators of the dialect by their C names. */
    enums: enumeratorsOf(dialect) satisfies Enumerators,
  };
  return api;
}
