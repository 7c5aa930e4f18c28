// S7 with real sockets. With Windows' limit of 5,000 it takes its time: scenarios.long.ts.
import { describe, test } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { leakInNode, leakInPython } from './port-leak.ts';

const missing = requireCapability('seccomp-notify');

describe('S7: 500 ports for a process, and no more', () => {
  test('in Node, registered', () => leakInNode(500));
  test.skipIf(missing !== undefined)('in Python, supervised', () => leakInPython(500));
});
