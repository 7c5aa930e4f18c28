import { describe, expect, it } from 'vitest';
import { capabilityTable } from './capability-table.ts';
import { CAPABILITY_NAMES, type CapabilityName, requireCapability, requiredNames } from './capability.ts';

// Shows what was found; a capability that is detected as missing must say why.
const NAMES: readonly CapabilityName[] = [
  'kernel-bpf',
  'vmlinux-btf',
  'clang',
  'libbpf-dev',
  'llvm-objdump',
  'bpftool',
  'tcpdump',
  'shared-corpus',
];

describe('capabilities of this machine', () => {
  it('are what .ci/required names', () => {
    expect(CAPABILITY_NAMES).toEqual(expect.arrayContaining([...requiredNames()]));
    expect(requiredNames().size).toBeGreaterThan(0);
  });

  it.each(NAMES)('%s is there or has a reason', (name) => {
    const reason = requireCapability(name);
    expect(requireCapability(name)).toBe(reason);
    if (reason !== undefined) expect(reason.length).toBeGreaterThan(10);
  });
});

describe('the table at the end', () => {
  it('has a line a capability, by name, with the reason where it is missing', () => {
    const table = capabilityTable([
      ['ping', 'there'],
      ['bpftool', 'bpftool: spawnSync bpftool ENOENT\nand more'],
    ]);
    expect(table.split('\n')).toEqual([
      '',
      'What this machine has for the tests',
      '  bpftool  bpftool: spawnSync bpftool ENOENT and more',
      '  ping     there',
      '',
    ]);
    expect(capabilityTable([['x', 'y'.repeat(300)]]).split('\n')[2].length).toBe(102);
    expect(capabilityTable([])).toBe('');
  });
});
