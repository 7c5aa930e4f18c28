// btf_dump__*: types as C.
import { CDeclarations } from '../../btf/c-declare.ts';
import { WalkGuard } from '../../btf/c-order.ts';
import { CFormatter } from '../../btf/format-c.ts';
import type { BtfHandle } from './btf-handle.ts';
import { type Library, plainPointer, plainStatus, refuse } from './library.ts';

/** btf_dump_printf_fn_t: the text is already formatted. */
export type DumpPrint = (ctx: unknown, text: string) => void;

/** struct btf_dump_emit_type_decl_opts. */
export interface EmitTypeDeclOptions {
  readonly field_name?: string;
  readonly indent_level?: number;
  readonly strip_mods?: boolean;
}

/** struct btf_dump: what was written already is not written again. */
export class BtfDump {
  readonly btf: BtfHandle;
  readonly print: DumpPrint;
  readonly ctx: unknown;
  readonly formatter: CFormatter;
  readonly declarations: CDeclarations;
  written = 0;

  constructor(btf: BtfHandle, print: DumpPrint, ctx: unknown) {
    this.btf = btf;
    this.print = print;
    this.ctx = ctx;
    this.formatter = new CFormatter(btf.btf);
    this.declarations = new CDeclarations(btf.btf, new WalkGuard(btf.btf));
  }
}

export function btfDumpFunctions(lib: Library) {
  return {
    btf_dump__new: (btf: BtfHandle, printf_fn: DumpPrint, ctx: unknown, _opts: null = null): BtfDump | null =>
      plainPointer(lib, () => new BtfDump(btf, printf_fn, ctx)),
    btf_dump__free: (_d: BtfDump | null): void => {},
    /** The definition of a type, after those that it needs. */
    btf_dump__dump_type: (d: BtfDump, id: number): number =>
      plainStatus(lib, () => {
        if (d.btf.type(id) === undefined) return refuse(lib, 'EINVAL');
        d.formatter.add(id);
        const text = d.formatter.text();
        if (text.length > d.written) d.print(d.ctx, text.slice(d.written));
        d.written = text.length;
        return 0;
      }),
    /** `int (*name)[4]`: what a member or variable of this type is declared with. `strip_mods` is not supported. */
    btf_dump__emit_type_decl: (d: BtfDump, id: number, opts: EmitTypeDeclOptions | null = null): number =>
      plainStatus(lib, () => {
        if (opts?.strip_mods === true) return refuse(lib, 'EOPNOTSUPP');
        d.print(d.ctx, d.declarations.declare(id, opts?.field_name ?? '', opts?.indent_level ?? 0, 0));
        return 0;
      }),
  };
}
