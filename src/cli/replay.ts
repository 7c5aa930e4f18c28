// Runs a program on each packet of a capture.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { abortedOn, rawIpNotice } from '../base/messages/cli.ts';
import { isRawIp } from '../capture/link-types.ts';
import type { CapturePacket } from '../capture/packet.ts';
import type { LoadedProgram } from '../run/program.ts';
import { ETHERNET_HEADER_BYTES, ethernetFrame } from './link-layer.ts';
import type { RecordLog } from './records.ts';
import type { VerdictCapture } from './verdict-capture.ts';
import type { VerdictTally } from './verdicts.ts';

export interface Replay {
  readonly program: LoadedProgram;
  readonly tally: VerdictTally;
  readonly records: readonly RecordLog[];
  readonly out: VerdictCapture | undefined;
  /** Runs of each packet; the last one's verdict and packet count. */
  readonly repeat: number;
  /** Packets to run at most. */
  readonly limit: number;
  /** Called before each packet with its time in nanoseconds: what the clocks of the program show. */
  setClock(time: bigint): void;
  /** Called after each packet. */
  progress(packets: number): void;
}

export interface ReplayTotals {
  packets: number;
  bytes: number;
  /** Packets that the program was not run on, because no device hands such over, by the reason. */
  readonly skipped: Map<string, { packets: number; bytes: number }>;
  readonly notices: Diagnostic[];
}

const TOO_SHORT = `shorter than ${ETHERNET_HEADER_BYTES} bytes`;
const TOO_LONG = 'longer than a device hands over';
/** What a program type says of a packet that it cannot be given. */
const REFUSED_INPUT = 'run/test-run-refused';

/** Raises what the program's runs raise, with the number of the packet, and what reading the capture raises. */
export async function replay(chunks: AsyncIterable<readonly CapturePacket[]>, setting: Replay): Promise<ReplayTotals> {
  const totals: ReplayTotals = { packets: 0, bytes: 0, skipped: new Map(), notices: [] };
  for await (const packets of chunks) {
    replayChunk(packets, setting, totals);
    if (totals.packets === setting.limit) break;
  }
  return totals;
}

function replayChunk(packets: readonly CapturePacket[], setting: Replay, totals: ReplayTotals): void {
  for (const packet of packets) {
    if (totals.packets === setting.limit) return;
    const number = ++totals.packets;
    totals.bytes += packet.data.length;
    if (isRawIp(packet.interface.linkType) && totals.notices.length === 0) totals.notices.push(rawIpNotice({}));
    const frame = ethernetFrame(packet, number);
    const value = judge(frame, packet, number, setting);
    if (value === undefined) {
      const reason = packet.data.length < ETHERNET_HEADER_BYTES ? TOO_SHORT : TOO_LONG;
      const count = totals.skipped.get(reason) ?? { packets: 0, bytes: 0 };
      count.packets++;
      count.bytes += packet.data.length;
      totals.skipped.set(reason, count);
    } else setting.tally.add(value, packet.data.length);
    for (const log of setting.records) log.drain();
    if (setting.out !== undefined) {
      const verdict = value === undefined ? undefined : { value, name: setting.tally.nameOf(value) };
      const data = value === undefined ? frame : (setting.program.lastPacket ?? frame);
      setting.out.write({ packet, number, data, verdict });
    }
    setting.progress(number);
  }
}

/** The program's return value, undefined where it cannot be given the packet. */
function judge(frame: Uint8Array, packet: CapturePacket, number: number, setting: Replay): number | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES) return undefined;
  const { program, repeat, setClock } = setting;
  if (packet.timestamp !== undefined) setClock(packet.timestamp);
  try {
    let value = 0;
    for (let run = 0; run < repeat; run++) value = program.runRaw({ data: frame, layer: 'link', limits: 'device' });
    return value;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    if (error.code === REFUSED_INPUT) return undefined;
    throw new AnyBpfError(abortedOn(number, error.diagnostic), { cause: error });
  }
}
