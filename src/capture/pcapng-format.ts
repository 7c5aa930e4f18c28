// Numbers of the pcapng format. Source: draft-ietf-opsawg-pcapng (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/).

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Block type of a section header, the same in both byte orders. */
export const SECTION_HEADER = 0x0a0d0d0a;

/** Blocks that are read; all others are passed over. */
export const BLOCK_TYPES = {
  interfaceDescription: 1,
  /** The obsolete packet block. */
  packet: 2,
  simplePacket: 3,
  enhancedPacket: 6,
} as const;

export type BlockName = keyof typeof BLOCK_TYPES;

/** As messages call them. */
export const BLOCK_TITLES: Readonly<Record<BlockName, string>> = {
  interfaceDescription: 'interface description block',
  packet: 'packet block',
  simplePacket: 'simple packet block',
  enhancedPacket: 'enhanced packet block',
};

export const OPTIONS = {
  end: 0,
  comment: 1,
  shb_os: 3,
  shb_userappl: 4,
  if_name: 2,
  if_description: 3,
  if_tsresol: 9,
  if_tsoffset: 14,
  epb_packetid: 5,
  epb_queue: 6,
  epb_verdict: 7,
} as const;

/** Bytes of a block around its body: type and length before, length after. */
export const BLOCK_FRAME_BYTES = 12;
/** Largest block that is kept in memory: a packet and its options. Blocks that are passed over may be larger. */
export const MAX_BLOCK_BYTES = 1 << 20;
/** Interfaces of one file. */
export const MAX_INTERFACES = 65_536;
