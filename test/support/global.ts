// What vitest does once for all test files: nothing before them, and afterwards it takes away what they have built.
import { removeBuilt } from './built.ts';

export default function setup(): () => void {
  return removeBuilt;
}
