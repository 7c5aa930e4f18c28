import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE } from './families.ts';
import { field } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** drivers/media/rc/bpf-lirc.c: lirc_mode2_is_valid_access. */
export const lircMode2: ProgramTypeRow = {
  type: 'lirc_mode2',
  contexts: { linux: { name: 'unsigned int', size: 4, fields: { sample: field(0, 4) } } },
  attachTypes: ['lirc_mode2'],
  returns: [],
  verdicts: {},
  families: [...BASE, 'coarse-time'],
  harness: plainHarness(),
  doc: 'Pulses and spaces of an infrared receiver.',
};
