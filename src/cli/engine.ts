// Engines by the name that --engine takes.
import { Option } from 'commander';
import { referenceBackend } from '../compile/reference/backend.ts';
import type { Backend, EngineName } from '../spec/backend.ts';

export const ENGINES: Readonly<Record<EngineName, Backend>> = { reference: referenceBackend };

export const engineOption = (): Option =>
  new Option('--engine <name>', 'what runs the program')
    .choices(Object.keys(ENGINES))
    .default('reference' satisfies EngineName);
