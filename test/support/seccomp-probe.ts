// Installs a filter with a listener in this process and says whether that worked; for test/support/capability.ts.
import { createRequire } from 'node:module';
import { openLibC } from '../../src/sockets/libc.ts';
import { filterOf, installFilter } from '../../src/sockets/seccomp.ts';

const { address } = createRequire(import.meta.url)('koffi') as { address(value: Uint8Array): bigint };
const libc = openLibC();
const listener = installFilter(libc, filterOf(libc, ['bind']), address);
console.log(listener >= 0 ? 'listener' : `errno ${-listener}`);
