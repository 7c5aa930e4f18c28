// The pcapng format, written block by block. Source: draft-ietf-opsawg-pcapng; the naming of interfaces by program and
// the verdict option are those of xdpdump (xdp-tools), so that Wireshark shows them.
import { alignUp, ByteWriter, type Endian } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { cannotWrite } from '../base/messages/capture.ts';
import { type CaptureInterface, type CapturePacket, MAX_PACKET_BYTES, VERDICT_HOOKS } from './packet.ts';
import { BLOCK_FRAME_BYTES, BLOCK_TYPES, BYTE_ORDER_MAGIC, OPTIONS, SECTION_HEADER } from './pcapng-format.ts';
import { type Option, textOption, u64Option, writeOptions } from './pcapng-options.ts';

/** if_tsresol of everything written: nanoseconds. */
const NANOSECONDS = 9;

export interface PcapngOptions {
  /** Of the section; little where absent. */
  readonly endian?: Endian;
  /** shb_userappl: who wrote it. */
  readonly application?: string;
  /** shb_os. */
  readonly os?: string;
}

/** xdpdump's name for what a program saw on its way in or out: `eth0:filter()@fexit`. */
export const programInterface = (device: string, program: string, side: 'fentry' | 'fexit'): string =>
  `${device}:${program}()@${side}`;

/** A pcapng section as bytes, piece by piece: the header, then interfaces, and packets of interfaces added before. */
export class PcapngWriter {
  readonly #options: PcapngOptions;
  readonly #endian: Endian;
  #interfaces = 0;

  constructor(options: PcapngOptions = {}) {
    this.#options = options;
    this.#endian = options.endian ?? 'little';
  }

  #block(type: number, body: (out: ByteWriter) => void): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter(this.#endian).u32(type).u32(0);
    body(out);
    const length = alignUp(out.length, 4) + BLOCK_FRAME_BYTES - 8;
    return out.align(4).u32(length).patchU32(4, length).finish();
  }

  /** The section header: goes first, once. */
  header(): Uint8Array<ArrayBuffer> {
    const { application, os } = this.#options;
    return this.#block(SECTION_HEADER, (out) => {
      out.u32(BYTE_ORDER_MAGIC).u16(1).u16(0).u64(0xffff_ffff_ffff_ffffn);
      writeOptions(out, [
        ...(os === undefined ? [] : [textOption(OPTIONS.shb_os, os)]),
        ...(application === undefined ? [] : [textOption(OPTIONS.shb_userappl, application)]),
      ]);
    });
  }

  /** The next interface: the first has number 0. `index` of the description is not looked at. */
  interface(description: Omit<CaptureInterface, 'index'>): Uint8Array<ArrayBuffer> {
    this.#interfaces++;
    const { linkType, snapLength, name, description: about } = description;
    if (linkType > 0xffff) fail(cannotWrite({}, `link type ${linkType} does not fit pcapng's 16 bits`));
    return this.#block(BLOCK_TYPES.interfaceDescription, (out) => {
      out.u16(linkType).u16(0).u32(snapLength);
      writeOptions(out, [
        ...(name === undefined ? [] : [textOption(OPTIONS.if_name, name)]),
        ...(about === undefined ? [] : [textOption(OPTIONS.if_description, about)]),
        { code: OPTIONS.if_tsresol, value: Uint8Array.of(NANOSECONDS) },
      ]);
    });
  }

  /** A packet of the interface with this number. Raises capture/write for what an enhanced packet block cannot hold. */
  packet(interfaceIndex: number, packet: Omit<CapturePacket, 'interface'>): Uint8Array<ArrayBuffer> {
    const { data, originalLength, timestamp = 0n } = packet;
    if (interfaceIndex >= this.#interfaces)
      fail(cannotWrite({}, `interface ${interfaceIndex} was not described before its packet`));
    if (data.length > MAX_PACKET_BYTES)
      fail(cannotWrite({}, `a packet has ${data.length} bytes, above the limit of ${MAX_PACKET_BYTES}`));
    if (timestamp !== BigInt.asUintN(64, timestamp))
      fail(cannotWrite({}, `the time ${timestamp} ns is outside what 64 bits of nanoseconds can hold`));
    return this.#block(BLOCK_TYPES.enhancedPacket, (out) => {
      out.u32(interfaceIndex);
      out.u32(Number(timestamp >> 32n)).u32(Number(timestamp & 0xffff_ffffn));
      out.u32(data.length).u32(originalLength).bytes(data).align(4);
      writeOptions(out, this.#packetOptions(packet));
    });
  }

  #packetOptions({ comments = [], packetId, queue, verdicts = [] }: Omit<CapturePacket, 'interface'>): Option[] {
    const endian = this.#endian;
    return [
      ...comments.map((comment) => textOption(OPTIONS.comment, comment)),
      ...(packetId === undefined ? [] : [u64Option(OPTIONS.epb_packetid, packetId, endian)]),
      ...(queue === undefined ? [] : [{ code: OPTIONS.epb_queue, value: new ByteWriter(endian).u32(queue).finish() }]),
      ...verdicts.map(({ hook, value }) => ({
        code: OPTIONS.epb_verdict,
        value: new ByteWriter(endian).u8(VERDICT_HOOKS[hook]).u64(value).finish(),
      })),
    ];
  }
}
