// prog.*: loading from instructions, test runs, code. Attaching: hooks/.
import type { Handlers, Result } from '../spec/session.ts';
import { loadInstructions } from './load-program.ts';
import { mapOf } from './map-methods.ts';
import type { ContextProgram } from './program-object.ts';
import type { ContextSession } from './session.ts';
import { kernelCode, usedMaps } from './tag.ts';

type Names = 'prog.load' | 'prog.testRun' | 'prog.bindMap' | 'prog.code';

export const programOf = (session: ContextSession, fd: number, operation: string): ContextProgram =>
  session.handleOf<ContextProgram>('prog', fd, operation);

export const programMethods: Pick<Handlers<ContextSession>, Names> = {
  'prog.load': loadInstructions,
  'prog.testRun': (session, { fd, data, ctx, args, repeat = 1 }) => {
    const operation = 'prog.testRun';
    const program = programOf(session, fd, operation);
    const { context } = session;
    context.providers.checkUsable(program);
    const input = {
      ...(data === undefined ? {} : { data }),
      ...(ctx === undefined ? {} : { ctx }),
      ...(args === undefined ? {} : { args }),
    };
    const result = context.reclaimer.run(() => program.loaded.run({ ...input, repeat }));
    const runs = Math.max(1, repeat);
    if (context.counts) program.count(runs, result.duration * runs);
    const { retval, duration } = result;
    return {
      retval,
      duration,
      ...(result.data === undefined ? {} : { data: result.data }),
      ...(result.ctx === undefined ? {} : { ctx: result.ctx }),
    };
  },
  'prog.bindMap': (session, { fd, mapFd }) => {
    const program = programOf(session, fd, 'prog.bindMap');
    const map = mapOf(session, mapFd, 'prog.bindMap');
    program.bindMap(map);
    session.context.tell((observer) => observer.mapBound?.(program.id, map.id));
    return {};
  },
  'prog.code': (session, { fd }) => codeOf(programOf(session, fd, 'prog.code')),
};

function codeOf(program: ContextProgram): Result<'prog.code'> {
  const { code, lines, functions } = program.loaded.spec;
  const used = usedMaps(code);
  const ids = new Map(used.map((index, i) => [index, program.parts.maps[i].id]));
  const jited = program.loaded.emitted();
  return {
    xlated: kernelCode(code, (index) => ids.get(index) ?? 0),
    lines: lines.map(({ slot, file, line, column, text }) => ({ slot, file, line, column, text })),
    functions: functions.map(({ slot, name }) => ({ slot, name })),
    ...(jited === undefined ? {} : { jited }),
  };
}
