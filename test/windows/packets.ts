// Packets for the scenarios.

/** Ethernet, IPv4 without options, UDP (or another protocol's number before the same bytes) with so many bytes of payload. */
export function udp4(payload: number, { protocol = 17, port = 53 } = {}): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 8 + payload);
  const view = new DataView(frame.buffer);
  view.setUint16(12, 0x0800);
  frame[14] = 0x45;
  view.setUint16(16, 20 + 8 + payload);
  frame[22] = 64;
  frame[23] = protocol;
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  view.setUint16(34, 40_000);
  view.setUint16(36, port);
  view.setUint16(38, 8 + payload);
  return frame;
}
