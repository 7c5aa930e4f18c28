// What keeps a service's objects over its end: the state directory, its journal and snapshots.
import { message } from '../diagnostic.ts';

export const stateHeld = message(
  'state/held',
  (folder: string, by: string) => `the state in ${folder} is used by ${by} already`,
  { hint: 'stop it first, or give this one a state directory of its own' },
);

export const stateFolder = message(
  'state/folder',
  (folder: string, why: string) => `the state in ${folder} cannot be used: ${why}`,
);

export const stateVersion = message(
  'state/version',
  (found: number, known: number) => `it is written in form ${found}, and this AnyBPF knows form ${known} only`,
  { hint: 'start the AnyBPF that wrote it, or another state directory' },
);

export const stateCorrupt = message(
  'state/corrupt',
  (what: string) => `its contents are not what was written: ${what}`,
  { hint: 'take the files from a copy, or begin anew with another state directory; nothing was changed' },
);

export const stateCut = message(
  'state/cut',
  (bytes: number) =>
    `its last ${bytes} bytes are no whole entry and were cut off: the service ended while it wrote them`,
  { severity: 'warning' },
);

export const notRestored = message(
  'state/not-restored',
  (what: string, why: string) => `${what} could not be made again: ${why}`,
  { severity: 'warning' },
);

export const notWritten = message(
  'state/not-written',
  (why: string) => `the change was made, but may not outlive the service: the journal cannot be written (${why})`,
  { hint: 'make room on the disk of the state directory: all is written with the next change then' },
);

export const notKept = message(
  'state/not-kept',
  (what: string, why: string) => `${what} is pinned but will not outlive the service: ${why}`,
  { severity: 'warning' },
);
