// What vitest does once for all test files: nothing before them; afterwards it says what they have found of this machine, and takes away what
// they have built.
import { removeBuilt } from './built.ts';
import { printCapabilities } from './capability-table.ts';

export default function setup(): () => void {
  return () => {
    printCapabilities();
    removeBuilt();
  };
}
