import { Option } from 'commander';
import { DEFAULT_ENGINE, ENGINE_CHOICES } from '../run/engines.ts';

/** --engine, with the engines there are. */
export const engineOption = (): Option =>
  new Option('--engine <name>', 'what runs the program').choices(Object.keys(ENGINE_CHOICES)).default(DEFAULT_ENGINE);
