// The capture that --out writes: each packet as the program left it, with its verdict.
import { LINK_TYPES } from '../capture/link-types.ts';
import { type CaptureInterface, type CapturePacket, type VerdictHook } from '../capture/packet.ts';
import { PcapngWriter, programInterface } from '../capture/pcapng-write.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import { OutputFile } from './output-file.ts';

/** Program types whose verdicts pcapng can name. Others get a comment. */
const HOOKS: { readonly [P in ProgramTypeName]?: VerdictHook } = { xdp: 'xdp', sched_cls: 'tc', sched_act: 'tc' };

export interface JudgedPacket {
  /** As captured. */
  readonly packet: CapturePacket;
  /** Counts from 1. */
  readonly number: number;
  /** After the run. */
  readonly data: Uint8Array;
  /** Return value and its name; undefined where the program was not run. */
  readonly verdict: { readonly value: number; readonly name: string } | undefined;
}

export class VerdictCapture {
  readonly #file: OutputFile;
  readonly #writer: PcapngWriter;
  readonly #program: { readonly name: string; readonly type: ProgramTypeName };
  /** Interfaces written, by those read. */
  readonly #interfaces = new Map<number, number>();

  constructor(file: string, program: { readonly name: string; readonly type: ProgramTypeName }, application: string) {
    this.#file = new OutputFile(file);
    this.#writer = new PcapngWriter({ application });
    this.#program = program;
    this.#file.write(this.#writer.header());
  }

  #interfaceFor(captured: CaptureInterface): number {
    let index = this.#interfaces.get(captured.index);
    if (index === undefined) {
      index = this.#interfaces.size;
      this.#interfaces.set(captured.index, index);
      const device = captured.name ?? `capture${captured.index}`;
      const name = programInterface(device, this.#program.name, 'fexit');
      this.#file.write(this.#writer.interface({ linkType: LINK_TYPES.ethernet, snapLength: 0, name }));
    }
    return index;
  }

  write({ packet, number, data, verdict }: JudgedPacket): void {
    const index = this.#interfaceFor(packet.interface);
    const hook = HOOKS[this.#program.type];
    // What was cut off on the wire stays cut off; what the program added or took away counts.
    const missing = Math.max(0, packet.originalLength - packet.data.length);
    const comments =
      verdict === undefined ? ['not run'] : hook === undefined ? [`verdict ${verdict.name} (${verdict.value})`] : [];
    this.#file.write(
      this.#writer.packet(index, {
        timestamp: packet.timestamp,
        data,
        originalLength: Math.min(data.length + missing, 0xffff_ffff),
        comments: [...(packet.comments ?? []), ...comments],
        packetId: BigInt(number),
        queue: packet.queue ?? 0,
        ...(verdict === undefined || hook === undefined
          ? {}
          : { verdicts: [{ hook, value: BigInt.asUintN(64, BigInt(verdict.value | 0)) }] }),
      }),
    );
  }

  /** Puts the file in its place. */
  commit(): void {
    this.#file.commit();
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
