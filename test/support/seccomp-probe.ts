// Installs a filter with a listener in this process and says whether that worked; for test/support/capability.ts.
import { openLibC } from '../../src/sockets/libc.ts';
import { filterOf, installFilter } from '../../src/sockets/seccomp.ts';

const libc = openLibC();
const listener = installFilter(libc, filterOf(libc, ['bind']));
console.log(listener >= 0 ? 'listener' : `errno ${-listener}`);
