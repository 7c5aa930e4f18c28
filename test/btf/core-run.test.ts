// The outside fixtures hold programs that check their own CO-RE values: relocated for the types they are meant for, they
// return 0, else the line of the check that failed. The kernel runs them here, so nothing of ours judges but CO-RE.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Btf } from '../../src/btf/btf.ts';
import { mergeBtf } from '../../src/btf/encode.ts';
import { relocateProgram } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import { close, progLoad, progTestRun } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { btfOf } from './arbitrary.ts';

/** Types ahead of an object's own: ids differ from the object's, as a kernel's do. */
const AHEAD = btfOf(Array.from({ length: 9 }, (_, i) => ({ kind: 'float' as const, name: `ahead${i}`, size: 8 })));

/** Programs with fewer relocations are not the ones that check themselves. */
const MANY = 5;

interface Subject {
  readonly name: string;
  readonly program: ProgramSpec;
  readonly btf: Btf;
}

const folder = corpusFolder('elf-fixtures');
const specs: ObjectSpec[] =
  'reason' in folder
    ? []
    : filesBelow(folder.path, '-el.elf').flatMap((name) => {
        try {
          return [linkObject(readFileSync(path.join(folder.path, name)), { name })];
        } catch {
          return []; // Fixtures that are broken on purpose are others' matter.
        }
      });

const subjects: Subject[] = specs.flatMap(({ btf, programs, name }) =>
  btf === undefined
    ? []
    : programs
        .filter((p) => p.type === 'socket_filter' && p.core.length >= MANY)
        .map((program) => ({ name: `${program.name} of ${name}`, program, btf })),
);

/** What the program returns in the kernel, relocated for these types; undefined where it cannot be or is refused. */
function run({ program, btf }: Subject, target: Btf): number | undefined {
  const { code, unsupported } = relocateProgram(program, btf, [target]);
  if (unsupported !== undefined) return undefined;
  const { fd } = progLoad({ type: program.type, code, license: 'GPL' });
  if (fd < 0) return undefined;
  const { status, retval } = progTestRun(fd, { data: new Uint8Array(64) });
  close(fd);
  return status === 0 ? retval : undefined;
}

describe.skipIf(requireCapability('kernel-bpf') !== undefined || subjects.length === 0)(
  'programs that check CO-RE',
  () => {
    const others = specs.flatMap((s) => (s.btf === undefined ? [] : [s.btf]));

    it.each(subjects)('$name finds everything right', (subject) => {
      // Most are meant for their own types under other ids, one for those of a fixture made for it.
      const targets = [mergeBtf(AHEAD, subject.btf), ...others.filter((btf) => btf !== subject.btf)];
      expect(targets.map((target) => run(subject, target))).toContain(0);
    });
  },
);
