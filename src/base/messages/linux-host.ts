// Messages of the Linux host: sessions with the kernel itself.
import { message } from '../diagnostic.ts';

export const noKernel = message(
  'linux/unavailable',
  (why: string) => `there is no session with Linux' kernel: ${why}`,
  {
    hint: 'it needs Linux and the optional package koffi',
  },
);

export const notOfLinux = message(
  'linux/untranslatable',
  (what: string, why: string) => `${what} of Windows has no meaning to Linux' kernel: ${why}`,
);

export const kernelRefused = message('linux/refused', (text: string) => text);

export const noSymbol = message(
  'linux/symbol',
  (name: string, file: string) => `there is no symbol ${name} in ${file}`,
);

export const noTarget = message('linux/target', (what: string) => what);
