// Which helper calls of compiled programs out in the world have no row for their program type here.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { decodeProgram } from '../../src/isa/insn.ts';
import { linkObject } from '../../src/link/link.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';

const missing = requireCapability('shared-corpus');

/** Every `type name#number` that a program calls and its type does not have. */
function unknownCalls(): { readonly calls: number; readonly unknown: Map<string, number> } {
  const folder = corpusFolder('objects');
  const unknown = new Map<string, number>();
  let calls = 0;
  if ('reason' in folder) return { calls, unknown };
  for (const file of filesBelow(folder.path, '.o')) {
    let spec: ReturnType<typeof linkObject>;
    try {
      spec = linkObject(readFileSync(path.join(folder.path, file)), { name: file });
    } catch {
      continue;
    }
    const platform = builtInPlatform(spec.dialect);
    for (const program of spec.programs) {
      // A section whose name says no type: nothing can load it.
      if (program.type === 'unspec') continue;
      for (const insn of decodeProgram(program.code)) {
        if (insn?.op !== 'call_helper') continue;
        calls++;
        if (platform.helper(insn.imm, program.type) !== undefined) continue;
        const name = `${program.type} ${platform.helperName(insn.imm) ?? ''}#${insn.imm}`;
        unknown.set(name, (unknown.get(name) ?? 0) + 1);
      }
    }
  }
  return { calls, unknown };
}

describe.skipIf(missing !== undefined)('helper calls of the corpus', () => {
  test('have a row, but where the kernel has none either', () => {
    const { calls, unknown } = unknownCalls();
    expect(calls).toBeGreaterThan(1000);
    // Samples for sched_cls in sections that mean socket_filter: the kernel refuses these two as well (admission.kernel.test.ts).
    expect(Object.fromEntries(unknown)).toEqual({
      'socket_filter skb_change_head#43': 1,
      'socket_filter skb_store_bytes#9': 1,
    });
  });
});
