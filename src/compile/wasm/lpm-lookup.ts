// Lookups in LPM tries as WebAssembly: the walk over nodes and tables that maps/lpm-trie.ts describes. Words are loaded whole: up
// to three bytes after the data of a key or node are read, to no effect, and are there (run/memory.ts: GAP).
import { DESCRIPTOR, LPM, LPM_TABLE, ROW } from '../../spec/map-layout.ts';
import { I32, VOID } from './encoding.ts';
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
  const [node, found, table, prefix, full, word, at, rest, left] = [1, 2, 3, 4, 6, 7, 8, 9, 10].map((n) =>
    site.temp(I32, n),
  );

  /** Leaves the word of the key's data that holds the bit after the first `prefix`, moved up so that this bit is the top one. */
  const pushBits = (): void => {
    e.get(key);
    if (!oneWord) e.get(prefix).i32(3).op('i32.shr_u').op('i32.add');
    e.memory('i32.load', KEY_DATA);
    bigEndian(site, word);
    e.get(prefix);
    if (!oneWord) e.i32(7).op('i32.and');
    e.op('i32.shl');
  };

  /** Goes on by the table. */
  const step = (): void => {
    pushBits();
    e.get(table).memory('i32.load', LPM_TABLE.SHIFT).op('i32.shr_u');
    e.i32(LPM_TABLE.SLOT).op('i32.mul').get(table).op('i32.add').tee(table);
    e.memory('i32.load', LPM_TABLE.SLOTS + LPM_TABLE.NEXT).set(node);
    e.get(table)
      .memory('i32.load', LPM_TABLE.SLOTS + LPM_TABLE.BEST)
      .tee(word);
    e.get(found).get(word).op('select').set(found);
  };

  /** Leaves the block that `label` names unless the first `prefix` bits of the node and of the key are the same. */
  const leaveUnlessEqual = (label: number): void => {
    if (oneWord) {
      e.get(node).memory('i32.load', LPM.DATA).get(key).memory('i32.load', KEY_DATA).op('i32.xor');
      bigEndian(site, word);
      e.op('i32.clz').get(prefix).op('i32.lt_u').brIf(label);
      return;
    }
    // Word by word: `rest` bits from byte `at` on, which is where the node before ended: up to there all is known to be equal.
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

  e.i32(0).set(found);
  e.i32(0).set(prefix);
  e.block(VOID);
  e.get(key).memory('i32.load').i32(longest).op('i32.gt_u').brIf(0);
  // All ones where the key has full length, so that its tables count: else 0.
  e.i32(0).get(key).memory('i32.load').i32(longest).op('i32.eq').op('i32.sub').set(full);
  e.i32(0)
    .memory('i32.load', handle + DESCRIPTOR.EXTRA)
    .get(full)
    .op('i32.and')
    .tee(table)
    .if(VOID);
  step();
  e.op('else');
  e.i32(0)
    .memory('i32.load', handle + DESCRIPTOR.DATA)
    .set(node);
  e.op('end');
  // Each node has a longer prefix than the one before.
  e.i32(longest + 2).set(left);
  e.loop(VOID);
  e.get(node).op('i32.eqz').brIf(1);
  if (!oneWord) e.get(prefix).i32(3).op('i32.shr_u').set(at);
  e.get(node).memory('i32.load', LPM.PREFIX).tee(prefix);
  e.get(key).memory('i32.load').op('i32.gt_u').brIf(1);
  leaveUnlessEqual(1);
  e.get(found).get(node).get(node).memory('i32.load', LPM.BRANCH).op('select').set(found);
  e.get(prefix).get(key).memory('i32.load').op('i32.eq').brIf(1);
  e.get(node).memory('i32.load', LPM.TABLE).get(full).op('i32.and').tee(table).if(VOID);
  step();
  e.op('else');
  e.get(node);
  pushBits();
  e.i32(31).op('i32.shr_u').i32(4).op('i32.mul').op('i32.add').memory('i32.load', LPM.CHILD).set(node);
  e.op('end').get(left).i32(1).op('i32.sub').tee(left).brIf(0).br(site.host()).op('end').op('end');
  e.get(found).if(I32).get(found).memory('i32.load', ROW.VALUE).op('else').i32(0).op('end');
};
