import { Option } from 'commander';
import { DEFAULT_ENGINE, ENGINES } from '../run/engines.ts';

/** --engine, with the engines there are. */
export const engineOption = (): Option =>
  new Option('--engine <name>', 'what runs the program').choices(Object.keys(ENGINES)).default(DEFAULT_ENGINE);
