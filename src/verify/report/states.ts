// The state before each instruction in the notation of the kernel's log (level 2): kernel/bpf/log.c, print_verifier_state.
import { formatInsn } from '../../isa/disassembler.ts';
import { slotsOf } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import { type Bounds, isAny, isConstant, LIMIT, type Scalar } from '../number/scalar.ts';
import { W32, W64 } from '../number/range.ts';
import * as T from '../number/tnum.ts';
import { helperTitle, sourceAt } from '../explain/site.ts';
import type { State } from '../state.ts';
import type { Pointer, RegionName, Slot } from '../value.ts';
import type { Walk } from '../walk.ts';

/** The kernel's names of what pointers point to (reg_type_str). */
const NAMES: { readonly [R in RegionName]: string } = {
  ctx: 'ctx',
  stack: 'fp',
  packet: 'pkt',
  packetMeta: 'pkt_meta',
  packetEnd: 'pkt_end',
  map: 'map_ptr',
  mapKey: 'map_key',
  mapValue: 'map_value',
  socket: 'sock',
  sockCommon: 'sock_common',
  tcpSocket: 'tcp_sock',
  ringRecord: 'ringbuf_mem',
  memory: 'mem',
  flowKeys: 'flow_keys',
  kernel: 'ptr_',
  object: 'ptr_obj',
  function: 'func',
};

/** Prints states as an observer of the walk (verify.ts). Ids are counted from 1 as they appear. */
export class StatePrinter {
  readonly #write: (text: string) => void;
  readonly #ids = new Map<number, number>();
  #next = 0;
  #line: string | undefined;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  readonly observe = (state: State, walk: Walk): void => {
    const { slot } = state;
    const insn = walk.program.insns[slot];
    if (insn === undefined) return;
    let text = '';
    if (slot !== this.#next) {
      text += state.path === undefined ? '' : `\nfrom ${state.path.slot} to ${slot}:\n`;
      this.#line = undefined;
    }
    const source = sourceAt(walk.spec, slot);
    const line =
      source === undefined ? undefined : `; ${source.text} @ ${source.file.replace(/^.*\//, '')}:${source.line}\n`;
    if (line !== undefined && line !== this.#line) text += line;
    this.#line = line;
    const opcode = OPS[insn.op].opcode.toString(16).padStart(2, '0');
    const shown =
      insn.op === 'call_helper'
        ? `call ${helperTitle(walk, insn.imm)}#${insn.imm}`
        : formatInsn(insn, slot, { style: 'kernel' });
    text += `${this.#stateText(state, walk)}\n${slot}: (${opcode}) ${shown}\n`;
    this.#next = slot + slotsOf(insn.op);
    this.#write(text);
  };

  #stateText(state: State, walk: Walk): string {
    const live = walk.program.live[state.slot] | (1 << 10);
    const { registers, stack } = state.frame;
    const parts: string[] = state.depth > 0 ? [`frame${state.depth}:`] : [];
    registers.forEach((value, r) => {
      if (value !== undefined && ((live >>> r) & 1) === 1) parts.push(`R${r}=${this.#value(value, state)}`);
    });
    stack.forEach((slot, i) => {
      if (slot !== undefined) parts.push(`fp-${8 * (i + 1)}=${this.#value(slot, state)}`);
    });
    if (state.references.length > 0) parts.push(`refs=${state.references.map((ref) => this.#id(ref.id)).join(',')}`);
    return `${state.slot}: ${parts.join(' ')}`;
  }

  #value(slot: Exclude<Slot, undefined>, state: State): string {
    switch (slot.kind) {
      case 'scalar':
        return this.#scalar(slot);
      case 'pointer':
        return this.#pointer(slot, state);
      case 'bytes':
        // The highest address first, as the kernel prints them: m holds something.
        return [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((slot.initialised >>> bit) & 1 ? 'm' : '?')).join('');
      case 'special':
        return `${slot.name}(id=${this.#id(slot.id)})`;
    }
  }

  #scalar(s: Scalar): string {
    if (isConstant(s)) return BigInt.asIntN(64, T.bitsOf(s.bits)).toString();
    return isAny(s) ? 'scalar()' : `scalar(${boundsText(s)})`;
  }

  #pointer(p: Pointer, state: State): string {
    if (p.region === 'stack') {
      const frame = p.target === state.depth ? '' : `[${p.target}]`;
      return `fp${frame}${p.offset}${p.variable === undefined ? '' : `(${boundsText(p.variable)})`}`;
    }
    const facts: string[] = [];
    if (p.id !== 0 && (p.nullable || p.variable !== undefined)) facts.push(`id=${this.#id(p.id)}`);
    if (p.reference !== 0) facts.push(`ref_obj_id=${this.#id(p.reference)}`);
    if (p.map !== undefined) facts.push(`map=${p.map.name},ks=${p.map.keySize},vs=${p.map.valueSize}`);
    if (p.offset !== 0) facts.push(`off=${p.offset}`);
    if (p.region === 'packet' || p.region === 'packetMeta') facts.push(`r=${p.range}`);
    if (p.size !== 0) facts.push(`sz=${p.size}`);
    if (p.variable !== undefined) facts.push(boundsText(p.variable));
    return `${NAMES[p.region]}${p.nullable ? '_or_null' : ''}(${facts.join(',')})`;
  }

  #id(id: number): number {
    let shown = this.#ids.get(id);
    if (shown === undefined) {
      shown = this.#ids.size + 1;
      this.#ids.set(id, shown);
    }
    return shown;
  }
}

/** Bounds that say something, those of the same value together: `smin=umin=0,smax=umax=255`. */
function boundsText({ r64, r32, bits }: Bounds): string {
  const named: readonly (readonly [name: string, value: number, known: boolean])[] = [
    ['smin', r64.smin, r64.smin !== W64.smin],
    ['smax', r64.smax, r64.smax !== W64.smax],
    ['umin', r64.umin, r64.umin !== 0],
    ['umax', r64.umax, r64.umax < LIMIT],
    ['smin32', r32.smin, r32.smin !== W32.smin && r32.smin !== r64.smin],
    ['smax32', r32.smax, r32.smax !== W32.smax && r32.smax !== r64.smax],
    ['umin32', r32.umin, r32.umin !== 0 && r32.umin !== r64.umin],
    ['umax32', r32.umax, r32.umax !== W32.umax && r32.umax !== r64.umax],
  ];
  const byValue = new Map<number, string[]>();
  for (const [name, value, known] of named) {
    if (known) byValue.set(value, [...(byValue.get(value) ?? []), name]);
  }
  const parts = [...byValue].map(([value, names]) => `${names.join('=')}=${value}`);
  if (!T.isUnknown(bits)) parts.push(`var_off=${T.formatTnum(bits)}`);
  return parts.join(',');
}
