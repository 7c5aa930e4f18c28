// How maps lie in the linear memory, for those who make them (maps/) and for compiled code that walks them without a call to
// the host (compile/).
//
// The descriptor that a map's handle points at: what a program holds as `struct bpf_map *`, and what generated code reads to
// find elements without a host call. Programs cannot access it. All fields are u32, little-endian, but for three:
//
//   offset  field         meaning
//   0       TYPE          Linux's map type number
//   4       ID            BpfMap.id
//   8       KEY_SIZE      bytes
//   12      VALUE_SIZE    bytes of one value
//   16      MAX_ENTRIES
//   20      FLAGS         MAP_FLAGS
//   24      CPUS          number of copies of each value (1 unless the type is per-CPU)
//   28      STRIDE        bytes from one copy of a value to the next: VALUE_SIZE rounded up to 8, or to lines of the cache where
//                         threads share the memory and the type is per-CPU
//   32      DATA          arrays: address of element 0; hash tables: address of the bucket heads; LPM: the root node;
//                         ring buffers: address of the first data byte
//   36      MASK          hash tables: number of buckets - 1; ring buffers: data bytes - 1
//   40      COUNT         elements in use
//   44      SEED          hash tables, bloom filters: start value of the hash
//   48      KEY_OFFSET    hash tables, LPM: where the key is in an element
//   52      HEAD, 56 TAIL queues: index of the next free and of the oldest element
//   60      EXTRA         bloom filter: number of hash functions; LRU: address of the list heads; LPM: the first table, or 0
//   64      FREE          slabs: first row of the free list (chained by NEXT), or 0
//   68      FRESH         slabs: slots that were ever used; the slots above have no row in a chain yet
//   72      FRESH_ROW     slabs: row of slot FRESH, where FRESH < CAPACITY
//   76      CAPACITY      slabs: rows that exist in chunks
//   80      CHUNKS        slabs: address of the first chunk (maps/slab.ts), or 0
//   84      SPARE         hash tables, LPM: the value that the next update of a present element writes, or 0
//   88      VERSION       hash tables of shared memory: goes up with each element that leaves a bucket's chain
//   92      LOCK          1 while a thread changes a map of shared memory
//   96      PRODUCER      ring buffers, u64: position of the next record; positions only ever grow
//   104     CONSUMER      ring buffers, u64: position of the next record to consume
//   112     PENDING       ring buffers, u64: everything before it is submitted or discarded
//   120     SPECIAL       number of fields of a value that are the kernel's (spin locks, timers)
//   124     LISTENER      ring buffers: 1 where the host is to be told of records (RingBufferMap.onData), else 0
//
// The value of an array element is at DATA + index * CPUS * STRIDE + cpu * STRIDE. Hash tables: hash-table.ts.

/** Byte offsets of the fields of a map descriptor. */
export const DESCRIPTOR = {
  TYPE: 0,
  ID: 4,
  KEY_SIZE: 8,
  VALUE_SIZE: 12,
  MAX_ENTRIES: 16,
  FLAGS: 20,
  CPUS: 24,
  STRIDE: 28,
  DATA: 32,
  MASK: 36,
  COUNT: 40,
  SEED: 44,
  KEY_OFFSET: 48,
  HEAD: 52,
  TAIL: 56,
  EXTRA: 60,
  FREE: 64,
  FRESH: 68,
  FRESH_ROW: 72,
  CAPACITY: 76,
  CHUNKS: 80,
  SPARE: 84,
  VERSION: 88,
  LOCK: 92,
  PRODUCER: 96,
  CONSUMER: 104,
  PENDING: 112,
  SPECIAL: 120,
  LISTENER: 124,
} as const;

/** Bytes of a descriptor. */
export const DESCRIPTOR_SIZE = 128;

export type DescriptorField = keyof typeof DESCRIPTOR;

/**
 * Header of an element of a hash table or LPM trie (maps/slab.ts), u32 each. NEXT: next element in the bucket, 0 ends the chain.
 * HASH: the key's full hash. VALUE: address of the value (of CPU 0's copy). STATE: 2 * slot number, + 1 while in use.
 */
export const ROW = { NEXT: 0, HASH: 4, VALUE: 8, STATE: 12 } as const;

/**
 * A chunk of elements of a slab (maps/slab.ts), u32 each. NEXT: the next chunk, or 0. FIRST: slot of its first row. COUNT: rows. VALUES:
 * address of the values. From ROWS on the rows.
 */
export const CHUNK = { NEXT: 0, FIRST: 4, COUNT: 8, VALUES: 12, ROWS: 16 } as const;

/**
 * Nodes of an LPM trie (maps/lpm-trie.ts), u32 each up to the key. TABLE: the table that leads on from here, or 0 (in the place of
 * NEXT, which only free rows need). BRANCH: 1 for an intermediate node, which has no value, else 0. CHILD: nodes under the next
 * bit 0 and 1, or 0. The key: PREFIX, its length in bits, and from DATA on its bytes.
 */
export const LPM = { TABLE: ROW.NEXT, BRANCH: ROW.HASH, CHILD: 16, PREFIX: 24, DATA: 28 } as const;

/**
 * Tables over an LPM trie (maps/lpm-tables.ts), u32 each. SHIFT: 32 less the bits that index the table. COUNT: prefixes at and
 * below its place. From SLOTS on a slot of SLOT bytes for each value of the bits, with BEST and NEXT: a node, or a bucket.
 */
export const LPM_TABLE = { SHIFT: 0, COUNT: 4, SLOTS: 8, SLOT: 8, BEST: 0, NEXT: 4 } as const;

/**
 * Buckets (maps/lpm-tables.ts): NEXT of a slot is the bucket's address and, in the bits of COUNT, where nodes have 0, how many entries
 * it has, at most MOST. Some bytes behind it may be read: AT_ONCE entries are looked at without a branch for each.
 */
export const LPM_BUCKET = { COUNT: 7, MOST: 7, AT_ONCE: 4 } as const;

/**
 * Prefixes in a bucket. SHIFT, u32: how many bits of a word of DATA's size, from the least significant on, are
 * no matter. REF, u32: address of the value; where the prefix goes on behind DATA that of the node, + MORE. DATA: bits of the prefix,
 * the first the most significant one of a u32 where keys have no more than 32 bits, else of a u64. One follows another at once.
 */
export const LPM_ENTRY = { SHIFT: 0, REF: 4, DATA: 8, MORE: 1 } as const;

/** Bytes of such an entry, where the longest key has so many bits. */
export const lpmEntrySize = (longest: number): number => LPM_ENTRY.DATA + (longest > 32 ? 8 : 4);

/**
 * Elements of LRU maps after the fields of ROW, and heads of their lists (maps/lru-list.ts), u32 each. PREV: towards the newest; a
 * head's: the oldest. NEXT: towards the oldest; a head's: the newest. REFERENCED: 1 from a lookup of a program on; a head's: elements
 * in the list. LIST: the head of the element's list.
 */
export const LRU = { PREV: 16, NEXT: 20, REFERENCED: 24, LIST: 28 } as const;

/** Elements of prog_array and array_of_maps are two u32 words: what the program gets, and the id (maps/handle-array.ts). */
export const HANDLE_ELEMENT = 8;

/**
 * A record of a ring buffer (maps/ringbuf.ts). Header: LENGTH, with the bits BUSY and DISCARD and the bytes of the data, at most
 * LARGEST; MAP, the ring's handle. Then the DATA.
 */
export const RING = {
  LENGTH: 0,
  MAP: 4,
  DATA: 8,
  HEADER: 8,
  BUSY: 0x8000_0000,
  DISCARD: 0x4000_0000,
  LARGEST: 0x3fff_ffff,
} as const;

/** Multipliers and shifts of the hash of keys (maps/words.ts): those of Wellons' lowbias32, a hash of one word. */
export const HASH = { WORD: 0x7feb352d, WORD_SHIFT: 15, FINAL: 0x846ca68b, FINAL_SHIFT: 16 } as const;
