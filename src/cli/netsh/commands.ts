// All commands of `netsh ebpf`.
import { addProgram } from './add-program.ts';
import type { NetshCommand } from './command.ts';
import { deleteProgram } from './delete-program.ts';
import { pinCommands } from './pin.ts';
import { setProgram } from './set-program.ts';
import { showDisassembly } from './show-disassembly.ts';
import { showHash } from './show-hash.ts';
import { showLinks } from './show-links.ts';
import { showMaps } from './show-maps.ts';
import { showPins } from './show-pins.ts';
import { showProcesses } from './show-processes.ts';
import { showPrograms } from './show-programs.ts';
import { showSections } from './show-sections.ts';
import { showTrace } from './show-trace.ts';
import { showVerification } from './show-verification.ts';

export const COMMANDS: readonly NetshCommand[] = [
  addProgram,
  deleteProgram,
  setProgram,
  showDisassembly,
  showHash,
  showLinks,
  showMaps,
  showPins,
  showProcesses,
  showPrograms,
  showSections,
  showTrace,
  showVerification,
  ...pinCommands,
];
