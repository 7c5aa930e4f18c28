// Messages of compiling ahead of time. What the loader beside a module says stands in aot/loader/, which imports nothing.
import { message } from '../diagnostic.ts';

export const noPrograms = message('aot/no-programs', () => 'the object has no program to compile');

export const otherPlatform = message(
  'aot/platform',
  (what: string) => `the module was compiled for another platform: ${what}`,
);

export const otherLayout = message(
  'aot/layout',
  (producer: string) => `its maps lie in memory otherwise here: it was compiled by ${producer}`,
  { hint: 'compile the object again' },
);

export const notShown = message(
  'aot/certificate',
  () => 'its code has no checks, and neither the certificate in the module nor the verifier shows that it may run so',
  { hint: 'compile the object again' },
);
