// What leads out of a function: helpers, other functions and programs, maps, packets, its exit.
import { opRow } from '../../isa/opcodes.ts';
import { argumentForm } from '../helper-call.ts';
import { knownValues } from '../known-values.ts';
import { FRAME_STRIDE } from '../limits.ts';
import type { Control } from '../lower.ts';
import type { CallSite } from './call-site.ts';
import { ABORT, type FunctionContext, type HelperImport } from './context.ts';
import { F64, I32, I64, VOID } from './encoding.ts';
import { INTRINSICS } from './intrinsics.ts';
import { GLOBALS, globalIndex } from './machine.ts';
import { FunctionSite } from './site.ts';

/** Parameter of a main function that is the address of the context. */
const CONTEXT = 0;

export abstract class FunctionCalls extends FunctionSite {
  /** What arguments of helpers certainly are. */
  protected readonly known: ReturnType<typeof knownValues>;

  constructor(context: FunctionContext, entry: number, main: boolean) {
    super(context, entry, main);
    this.known = knownValues(context.insns, this.graph);
    this.#site = this.#newSite();
  }

  // Control

  readonly control: Control = {
    goto: () => undefined,
    gotol: () => undefined,
    branch: () => undefined,
    may_goto: () => {
      const { e } = this;
      const left = this.temp(I32, 0);
      this.context.uses.add('MAY_GOTO');
      e.getGlobal(globalIndex('MAY_GOTO')).i32(1).op('i32.sub').tee(left).setGlobal(globalIndex('MAY_GOTO'));
      e.get(left).i32(0).op('i32.lt_s');
    },
    exit: () => {
      this.leave();
    },
    ld_imm64: () => {
      this.e.i64(this.insn.imm64 ?? 0n);
      this.setDst();
    },
    ld_pseudo: () => this.loadConstant(),
    ld_pseudo_off: () => this.loadConstant(),
    cast: () => this.abort(ABORT.NO_ARENA, 0),
    ld_abs: () => this.loadPacket(false),
    ld_ind: () => this.loadPacket(true),
    call_local: () => this.callLocal(),
    call_helper: () => this.callHelper(),
    call_kfunc: () => {
      const kfunc = this.context.kfunc(this.insn.imm);
      if (kfunc === undefined) return this.abort(ABORT.MISSING_KFUNC, this.insn.imm);
      this.callHost(kfunc);
    },
    callx: () => {
      this.beforeHost();
      this.context.uses.add('CONTEXT');
      this.e.i32(this.slot).get(this.registers[this.insn.dst]);
      this.pushArguments();
      this.e.get(this.base).call(this.context.imports.callx);
      this.setR0();
      this.reloadFuel();
      this.goOnWhereAsked();
    },
  };

  protected loadConstant(): void {
    this.e.i64(this.context.constant(this.insn));
    this.setDst();
  }

  protected pushArguments(): void {
    for (let r = 1; r <= 5; r++) this.e.get(this.registers[r]);
  }

  protected callLocal(): void {
    const { e } = this;
    const frame = this.temp(I32, 0);
    this.flushFuel();
    this.pushArguments();
    this.pushNextFrame(frame);
    e.call(this.context.functionAt(this.slot + 1 + this.insn.imm));
    this.setR0();
    this.reloadFuel();
  }

  /** Leaves the base of the frame below this function's, also in a local (i32); stops the run where there is none left. */
  protected pushNextFrame(frame: number): void {
    const { e } = this;
    e.get(this.base).i32(FRAME_STRIDE).op('i32.sub').tee(frame);
    e.get(frame).i32(this.context.stackLow).op('i32.lt_u').if(VOID);
    this.abort(ABORT.CALL_DEPTH, 0);
    e.op('end');
  }

  protected callHelper(): void {
    const helper = this.context.helper(this.insn.imm);
    if (helper === undefined) return this.abort(ABORT.MISSING_HELPER, this.insn.imm);
    const { intrinsic } = helper.row;
    this.#wordTaken = false;
    const byHost = intrinsic === undefined || this.context.checkedAt.has(this.slot);
    if (byHost || !INTRINSICS[intrinsic](this.#site)) this.callRow(helper);
    if (this.keyWord() !== undefined && !this.#wordTaken) throw new Error('a key that is in a local was not looked up');
  }

  /** Whether the call that is being lowered asked for its key as a word. */
  #wordTaken = false;

  /** What intrinsics see of this function, at the call that is being lowered. */
  readonly #site: CallSite;

  #newSite(): CallSite {
    const { e } = this;
    return {
      e,
      checked: this.context.checked,
      windows: this.context.windows,
      ctx: this.main ? CONTEXT : undefined,
      control: this.context.controlBlock,
      dialect: this.context.dialect,
      packet: this.context.packet,
      exclusive: this.context.exclusive,
      routine: this.context.routine,
      cpu: this.field('CPU'),
      register: (number) => this.registers[number],
      temp: (type, number) => this.temp(type, number),
      known: (register) => this.known.get(this.slot)?.[register - 1],
      map: (register) => {
        const known = this.known.get(this.slot)?.[register - 1];
        return known?.kind === 'map' ? this.context.map(known.value) : undefined;
      },
      pushAddress: (register, size, access, host) => this.argument(register, size, access === 'write', host),
      functions: {
        around: (calls) => {
          this.flushFuel();
          calls();
          this.reloadFuel();
        },
        setFrame: (local) => {
          this.pushNextFrame(local);
          e.set(local);
        },
        call: (slot) => e.call(this.context.functionAt(slot)),
      },
      pushWord: () => {
        const local = this.keyWord();
        this.#wordTaken = true;
        if (local !== undefined) e.get(local).op('i32.wrap_i64');
        return local !== undefined;
      },
      found: () => (this.context.checked ? undefined : this.found()),
      setR0: () => this.setR0(),
      goOn: (pushId) => {
        this.flushFuel();
        this.goOn(pushId);
      },
      orHost: (direct, raises = false) => {
        e.block(VOID).block(VOID);
        const { depth } = e;
        let asked = false;
        direct(() => {
          asked = true;
          return e.depth - depth;
        });
        e.br(1).op('end');
        if (asked) {
          const word = this.keyWord();
          if (word !== undefined) e.get(this.registers[2]).op('i32.wrap_i64').get(word).memory('i64.store32');
          this.callRow(this.context.helper(this.insn.imm) as HelperImport);
          // Nothing lives across a call that does not come back: V8 keeps in registers what it would put on its stack.
          if (raises) e.op('unreachable');
        }
        e.op('end');
      },
    };
  }

  /** Local (i64) of the bytes of the frame that r2 is the address of, in the call that is being lowered. */
  protected abstract keyWord(): number | undefined;

  /**
   * Local (i32) for whether the lookup that is being lowered finds something, where the next instruction branches on just that:
   * asked once, by code that sets it; r0 need not be 0 then.
   */
  protected abstract found(): number | undefined;

  /** A call of the helper's row, and of what it sets going: callbacks, another program. */
  protected callRow(helper: HelperImport): void {
    const { row } = helper;
    const tailCalls = row.returns === 'integerOrNoReturn';
    const callsBack = row.args.includes('callback');
    if (callsBack || tailCalls) this.beforeHost();
    this.callHost(helper);
    if (callsBack) this.reloadFuel();
    if (tailCalls) this.goOnWhereAsked();
  }

  /** Leaves for the program that the helper has said. */
  protected goOnWhereAsked(): void {
    const { e } = this;
    e.getGlobal(globalIndex('TAIL')).if(VOID);
    this.goOn(() => e.getGlobal(globalIndex('TAIL')));
    e.op('end');
  }

  /** Leaves for another program: r1 is the context, and the target takes this function's frame. */
  protected goOn(pushId: () => void): void {
    this.goesOn = true;
    for (const name of GLOBALS) this.context.uses.add(name);
    this.e.get(this.registers[1]).op('i32.wrap_i64').i32(0).get(this.base);
    pushId();
    this.e.returnCallIndirect(this.context.mainType);
  }

  /** What the host must see while it runs: the budget, and the frame that callbacks go below. */
  protected beforeHost(): void {
    this.flushFuel();
    this.e.get(this.base).setGlobal(globalIndex('FRAME'));
  }

  /** Calls the import that runs a helper, with its arguments in their forms; its result into r0. */
  protected callHost({ index, row }: HelperImport): void {
    const { e } = this;
    this.context.uses.add('CONTEXT');
    e.i32(this.slot);
    row.args.forEach((kind, i) => {
      e.get(this.registers[1 + i]);
      const form = argumentForm(kind);
      if (form === 'i32') e.op('i32.wrap_i64');
      else if (form === 'f64') e.op('f64.convert_i64_u');
    });
    const result = this.temp(F64, 0);
    e.call(index).tee(result).get(result).op('f64.eq').if(I64);
    e.get(result).op('i64.trunc_f64_s').op('else');
    e.i32(0).memory('i64.load', this.field('RESULT')).op('end');
    this.setR0();
  }

  protected loadPacket(indirect: boolean): void {
    const { e } = this;
    const { op, imm } = this.insn;
    this.context.uses.add('CONTEXT');
    e.i32(this.slot).get(this.registers[6]);
    if (indirect) e.get(this.registers[this.insn.src]).op('i32.wrap_i64').i32(imm).op('i32.add');
    else e.i32(imm);
    e.i32(opRow(op).width / 8)
      .call(this.context.imports.packet)
      .tee(this.registers[0]);
    // Past the end of the packet the function ends with 0.
    e.i64Small(0).op('i64.lt_s').if(VOID).i64Small(0).set(this.registers[0]);
    this.control.exit(this);
    e.op('end');
  }
}
