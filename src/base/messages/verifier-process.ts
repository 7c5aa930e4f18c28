// Messages of the verifier where it runs beside the application: in a process or worker of its own.
import { message } from '../diagnostic.ts';

export const verifierEnded = message(
  'verify/process',
  (why: string) => `the process that verifies has ended before it had an answer: ${why}`,
  { hint: 'ask again: a new one is started for the next request' },
);

export const verifierAnswer = message(
  'verify/process-answer',
  (what: string) => `the process that verifies gave no answer that can be used: ${what}`,
);

export const verifierInput = message(
  'verify/process-input',
  (bytes: number, limit: number) => `${bytes} bytes are to be verified, but a request may have at most ${limit}`,
);

export const noKernelVerifier = message(
  'verify/no-kernel',
  (why: string) => `Linux' own verifier cannot be asked: ${why}`,
  { hint: 'it needs Linux, the package koffi, and root or CAP_BPF with CAP_PERFMON and CAP_NET_ADMIN' },
);
