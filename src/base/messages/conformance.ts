// Messages of the conformance verb: vectors and the plugin protocol.
import { message } from '../diagnostic.ts';

export const badVector = message('conformance/vector', (found: string) => `the vector has ${found}`);

export const noVectorExpectation = message(
  'conformance/no-expectation',
  () => 'the vector has neither a "-- result" nor an "-- error" section',
);

export const pluginInput = message('conformance/plugin-input', (found: string) => `the runner gave ${found}`);

export const noElfProgram = message(
  'conformance/elf',
  (why: string) => `the ELF file has no program that can be run alone: ${why}`,
);
