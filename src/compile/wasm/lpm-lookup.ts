// Lookups in LPM tries as WebAssembly: the walk over nodes and tables that maps/lpm-trie.ts describes. Words are loaded whole: up
// to seven bytes after the data of a key or node are read, to no effect, and are there (run/memory.ts: GAP).
import { DESCRIPTOR, LPM, LPM_BUCKET, LPM_ENTRY, LPM_TABLE, lpmEntrySize, ROW } from '../../spec/map-layout.ts';
import { I32, I64, VOID } from './encoding.ts';
import type { Lookup, LookupSite } from './map-lookup.ts';

/** Bytes of the key before its data: the prefix length. */
const KEY_DATA = 4;

/** Pops a word as it was loaded, leaves it with the first byte the most significant. */
function bigEndian({ e }: LookupSite, word: number): void {
  e.tee(word).i32(8).op('i32.rotl').i32(0x00ff00ff).op('i32.and');
  e.get(word).i32(8).op('i32.rotr').i32(0xff00ff00).op('i32.and').op('i32.or');
}

export const lpmLookup: Lookup = (site, { handle, keySize }) => {
  const { e, key } = site;
  const longest = (keySize - KEY_DATA) * 8;
  const oneWord = longest <= 32;
  const [node, found, table, prefix, full, word, at, rest, left, value, turns] = [
    1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14,
  ].map((n) => site.temp(I32, n));
  const [entry, base] = [site.temp(I32, 12), site.temp(I32, 13)];
  /** The key's bits that table and bucket look at: all, or 64 of them from the multiple of 32 at or before the first `prefix`. */
  const window = site.temp(oneWord ? I32 : I64, 15);

  /** Pushes the word of the key's data that begins at the byte in `at`. Not more at a time: the program stored it in words, too. */
  const pushWord = (offset: number): void => {
    e.get(key);
    if (!oneWord) e.get(at).op('i32.add');
    e.memory('i32.load', KEY_DATA + offset);
    bigEndian(site, word);
  };

  /** Sets `at` to the byte where the word begins that has the bit after the first `prefix`. */
  const setAt = (): void => {
    if (!oneWord) e.get(prefix).i32(5).op('i32.shr_u').i32(2).op('i32.shl').set(at);
  };

  /** Leaves that word, moved up so that this bit is the top one. */
  const pushBits = (): void => {
    setAt();
    pushWord(0);
    e.get(prefix).op('i32.shl');
  };

  /** Goes on by the table: sets `node` to what NEXT says, and the window. */
  const step = (): void => {
    setAt();
    pushWord(0);
    if (oneWord) e.tee(window).get(prefix).op('i32.shl');
    else {
      e.op('i64.extend_i32_u').i64Small(32).op('i64.shl');
      pushWord(4);
      e.op('i64.extend_i32_u').op('i64.or').tee(window);
      // Shifts go by the lowest bits of the distance: here 6.
      e.get(prefix).i32(31).op('i32.and').op('i64.extend_i32_u').op('i64.shl');
      e.i64Small(32).op('i64.shr_u').op('i32.wrap_i64');
    }
    e.get(table).memory('i32.load', LPM_TABLE.SHIFT).op('i32.shr_u');
    e.i32(LPM_TABLE.SLOT).op('i32.mul').get(table).op('i32.add').tee(table);
    e.memory('i32.load', LPM_TABLE.SLOTS + LPM_TABLE.NEXT).set(node);
    e.get(table)
      .memory('i32.load', LPM_TABLE.SLOTS + LPM_TABLE.BEST)
      .tee(word);
    e.get(found).get(word).op('select').set(found);
  };

  /** Leaves the block that `label` names unless the bits of the node and of the key are the same from byte `at` up to `prefix`. */
  const leaveUnlessEqual = (label: number): void => {
    if (oneWord) {
      e.get(node).memory('i32.load', LPM.DATA).get(key).memory('i32.load', KEY_DATA).op('i32.xor');
      bigEndian(site, word);
      e.op('i32.clz').get(prefix).op('i32.lt_u').brIf(label);
      return;
    }
    // Word by word, `rest` bits.
    e.get(prefix).get(at).i32(3).op('i32.shl').op('i32.sub').set(rest);
    e.block(VOID).loop(VOID);
    e.get(node).get(at).op('i32.add').memory('i32.load', LPM.DATA);
    e.get(key).get(at).op('i32.add').memory('i32.load', KEY_DATA).op('i32.xor');
    bigEndian(site, word);
    e.op('i32.clz').tee(word).get(rest).op('i32.ge_u').brIf(1);
    e.get(word)
      .i32(32)
      .op('i32.ne')
      .brIf(label + 2);
    e.get(at).i32(4).op('i32.add').set(at);
    e.get(rest).i32(32).op('i32.sub').set(rest);
    e.br(0).op('end').op('end');
  };

  /** Leaves whether the first bits of the key are those of the bucket's entry `index`. */
  const matches = (index: number): void => {
    const offset = index * lpmEntrySize(longest);
    e.get(entry)
      .memory(oneWord ? 'i32.load' : 'i64.load', LPM_ENTRY.DATA + offset)
      .get(window);
    if (oneWord) {
      e.op('i32.xor').get(entry);
      e.memory('i32.load', LPM_ENTRY.SHIFT + offset)
        .op('i32.shr_u')
        .op('i32.eqz');
    } else {
      e.op('i64.xor').get(entry);
      e.memory('i64.load32_u', LPM_ENTRY.SHIFT + offset)
        .op('i64.shr_u')
        .op('i64.eqz');
    }
  };

  /** Sets `value` to what the first of the next entries that matches refers to, or 0, without a branch: which one is chance. */
  const searchAtOnce = (): void => {
    e.i32(0).set(value);
    for (let index = LPM_BUCKET.AT_ONCE - 1; index >= 0; index--) {
      e.get(value);
      e.get(entry)
        .memory('i32.load', LPM_ENTRY.REF + index * lpmEntrySize(longest))
        .get(value)
        .op('i32.xor');
      e.i32(0);
      matches(index);
      // What lies behind the last entry is no matter.
      if (index > 0) e.get(left).i32(index).op('i32.gt_u').op('i32.and');
      e.op('i32.sub').op('i32.and').op('i32.xor').set(value);
    }
  };

  /** As searchAtOnce, with the bits of the prefixes that are not in the entries. Branches to `hit` with the value of one that matches. */
  const searchWhole = (hit: number): void => {
    e.loop(VOID).block(VOID);
    matches(0);
    e.op('i32.eqz').brIf(0);
    e.get(entry).memory('i32.load', LPM_ENTRY.REF).tee(value);
    e.i32(LPM_ENTRY.MORE)
      .op('i32.and')
      .op('i32.eqz')
      .brIf(hit + 2);
    e.get(value).i32(LPM_ENTRY.MORE).op('i32.sub').tee(node).memory('i32.load', LPM.PREFIX).set(prefix);
    e.get(base).i32(8).op('i32.add').set(at);
    leaveUnlessEqual(0);
    e.get(node)
      .memory('i32.load', ROW.VALUE)
      .set(value)
      .br(hit + 2);
    e.op('end');
    e.get(entry).i32(lpmEntrySize(longest)).op('i32.add').set(entry);
    e.get(left).i32(1).op('i32.sub').tee(left).brIf(0).op('end');
  };

  /**
   * Where `node` says a bucket: branches to `hit` with the value of its first prefix that matches in `value`, or to `none`. Both
   * labels as they are here.
   */
  const searchBucket = (hit: number, none: number): void => {
    e.get(node).i32(LPM_BUCKET.COUNT).op('i32.and').tee(left).if(VOID);
    e.get(node).i32(~LPM_BUCKET.COUNT).op('i32.and').set(entry);
    e.loop(VOID);
    searchAtOnce();
    if (longest > 64) {
      e.get(value).i32(LPM_ENTRY.MORE).op('i32.and').if(VOID).get(at).set(base);
      searchWhole(hit + 3);
      e.br(none + 3).op('end');
    }
    e.get(value).brIf(hit + 2);
    e.get(left)
      .i32(LPM_BUCKET.AT_ONCE)
      .op('i32.le_u')
      .brIf(none + 2);
    e.get(left).i32(LPM_BUCKET.AT_ONCE).op('i32.sub').set(left);
    e.get(entry)
      .i32(LPM_BUCKET.AT_ONCE * lpmEntrySize(longest))
      .op('i32.add')
      .set(entry);
    e.br(0).op('end').op('end');
  };

  e.i32(0).set(found);
  e.i32(0).set(prefix);
  e.block(VOID).block(VOID);
  e.get(key).memory('i32.load').i32(longest).op('i32.gt_u').brIf(0);
  // All ones where the key has full length, so that its tables count: else 0.
  e.i32(0).get(key).memory('i32.load').i32(longest).op('i32.eq').op('i32.sub').set(full);
  e.i32(0)
    .memory('i32.load', handle + DESCRIPTOR.EXTRA)
    .get(full)
    .op('i32.and')
    .set(table);
  e.i32(0)
    .memory('i32.load', handle + DESCRIPTOR.DATA)
    .set(node);
  // Each node has a longer prefix than the one before.
  e.i32(longest + 2).set(turns);
  e.loop(VOID);
  e.get(table).if(VOID);
  step();
  searchBucket(3, 2);
  e.op('end');
  e.get(node).op('i32.eqz').brIf(1);
  // Up to there all is known to be equal.
  setAt();
  e.get(node).memory('i32.load', LPM.PREFIX).tee(prefix);
  e.get(key).memory('i32.load').op('i32.gt_u').brIf(1);
  leaveUnlessEqual(1);
  e.get(found).get(node).get(node).memory('i32.load', LPM.BRANCH).op('select').set(found);
  e.get(prefix).get(key).memory('i32.load').op('i32.eq').brIf(1);
  e.get(node).memory('i32.load', LPM.TABLE).get(full).op('i32.and').tee(table).op('i32.eqz').if(VOID);
  e.get(node);
  pushBits();
  e.i32(31).op('i32.shr_u').i32(4).op('i32.mul').op('i32.add').memory('i32.load', LPM.CHILD).set(node);
  e.op('end').get(turns).i32(1).op('i32.sub').tee(turns).brIf(0).br(site.host()).op('end').op('end');
  e.i32(0).set(value);
  e.get(found).op('i32.eqz').brIf(0);
  e.get(found).memory('i32.load', ROW.VALUE).set(value).op('end');
  e.get(value);
};
