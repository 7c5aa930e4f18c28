// Messages of hooks on the sockets of programs: register, supervise.
import { message } from '../diagnostic.ts';

export const noSocketPrograms = message(
  'sockets/no-programs',
  (known: readonly string[]) =>
    `no program of the object is for sockets${known.length === 0 ? '' : `; it has ${known.join(', ')}`}`,
  { hint: 'sections such as cgroup/bind4, cgroup/connect6, sockops, bind' },
);

export const noSupervision = message(
  'sockets/supervise',
  (why: string) => `this system cannot be asked to supervise: ${why}`,
);

export const commandFailed = message('sockets/command', (command: string, why: string) => `${command}: ${why}`);

export const badPolicy = message('sockets/policy', (why: string) => why, {
  hint: 'an object, or { "object": FILE, "maps": { NAME: [{ "key": ..., "value": ... }] } }',
});

export const noPolicyAnswer = message('sockets/no-answer', (why: string) => `the service gave no decision: ${why}`);

export const noCgroup = message(
  'sockets/cgroup',
  (folder: string, why: string) => `the control group ${folder} cannot be made: ${why}`,
  {
    hint: 'as root, with a file system cgroup2 that may be written to',
  },
);
