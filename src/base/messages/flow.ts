// Messages of control-flow graphs.
import { message } from '../diagnostic.ts';

export const badJump = message(
  'flow/bad-jump',
  (target: number) => `goes to slot ${target}, where no instruction begins`,
);

export const endless = message(
  'flow/no-exit',
  () => 'control runs past the last instruction: there is no exit or jump',
);
