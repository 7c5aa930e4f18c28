// The kernel's own text of instructions (verifier log) as the judge of the disassembler's kernel style.
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/isa/assembler.ts';
import { disassembleLines } from '../../src/isa/disassembler.ts';
import { OPS } from '../../src/isa/opcodes.ts';
import { close, progLoad } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';

/** Programs that the kernel walks through instruction by instruction; r1 is the context of a socket filter. */
const PROGRAMS: Record<string, string> = {
  arithmetic: `
    r0 = 5
    r0 += -7
    r2 = r0
    w3 = w2
    w3 *= 9
    r3 s>>= 2
    w3 s>>= 1
    r3 /= 3
    r3 s/= 3
    w3 %= 5
    w3 s%= -5
    r3 |= r2
    r3 ^= 0x10
    r3 <<= 3
    r4 = r3
    r4 = -r4
    w4 = -w4
    r4 = be16 r4
    r4 = le32 r4
    r4 = bswap64 r4
    r5 = (s8)r4
    w5 = (s16)w4
    r5 = (s32)r5
    r5 = 0x1122334455667788 ll
    r0 = 0
    exit`,
  memory: `
    r2 = 1
    *(u64 *)(r10 - 8) = r2
    *(u32 *)(r10 - 16) = 7
    *(u16 *)(r10 - 12) = 7
    *(u8 *)(r10 - 10) = r2
    *(u8 *)(r10 - 9) = 0
    r3 = *(u8 *)(r10 - 8)
    r3 = *(s8 *)(r10 - 8)
    r3 = *(s32 *)(r10 - 8)
    r3 = *(u64 *)(r10 - 8)
    lock *(u64 *)(r10 - 8) += r2
    lock *(u32 *)(r10 - 8) ^= r2
    r2 = atomic_fetch_or((u64 *)(r10 - 8), r2)
    r2 = atomic_fetch_and((u32 *)(r10 - 8), r2)
    r2 = xchg_64(r10 - 8, r2)
    r2 = atomic_xchg((u32 *)(r10 - 8), r2)
    r0 = 0
    r0 = cmpxchg_64(r10 - 8, r0, r2)
    r0 = atomic_cmpxchg((u32 *)(r10 - 8), r0, r2)
    r3 = load_acquire((u64 *)(r10 - 8))
    store_release((u32 *)(r10 - 8), r2)
    r3 = *(u32 *)(r1 + 0)
    r0 = 0
    exit`,
  jumps: `
    r6 = r1
    call 5
    if r0 == 5 goto +0
    if r0 s> -5 goto +0
    if w0 & 0x40 goto +0
    if w0 != w0 goto +0
    r2 = 3
    if r0 <= r2 goto +0
    goto +0
    gotol +0
    may_goto +0
    r0 = *(u8 *)skb[12]
    r2 = 3
    r0 = *(u16 *)skb[r2 + 4]
    r0 = 0
    exit`,
  calls: `
    r1 = 1
    call local f
    exit
  f:
    r0 = r1
    exit`,
};

const missing = requireCapability('kernel-bpf');

describe.skipIf(missing !== undefined)('instructions as the running kernel prints them', () => {
  test.each(Object.keys(PROGRAMS))('%s', (name) => {
    const { code } = assemble(PROGRAMS[name]);
    const { fd, log } = progLoad({ type: 'socket_filter', code, license: 'GPL', logLevel: 2 });
    expect(fd, log).toBeGreaterThan(0);
    close(fd);
    const printed = new Map(
      [...log.matchAll(/^(?:from .*: )?(\d+): \(([0-9a-f]{2})\) (.*?)(?:\s+;.*)?$/gm)].map((m) => [
        Number(m[1]),
        `(${m[2]}) ${m[3]}`,
      ]),
    );
    const ours = disassembleLines(code, {
      style: 'kernel',
      helperName: (n) => (n === 5 ? 'bpf_ktime_get_ns' : undefined),
    });
    expect(printed.size).toBe(ours.length);
    for (const { slot, insn, text } of ours) {
      expect(`(${OPS[insn.op].opcode.toString(16).padStart(2, '0')}) ${text}`).toBe(printed.get(slot));
    }
  });
});
