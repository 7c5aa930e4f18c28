import { Option } from 'commander';
import { DEFAULT_VERIFY, VERIFY_MODES } from '../run/verification.ts';

/** --verify, with the ways of using the verifier. @param prefer what `prefer` means to the verb */
export const verifyOption = (prefer: string): Option =>
  new Option('--verify <mode>', `verify programs: ${prefer} (prefer), nothing else is taken (require)`)
    .choices(VERIFY_MODES)
    .default(DEFAULT_VERIFY);
