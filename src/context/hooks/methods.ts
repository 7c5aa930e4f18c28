// Attaching, links and events of hooks, as sessions ask for them.
import type { Handlers, HookEvent, Id, Params, Result } from '../../spec/session.ts';
import type { ExecutionContext } from '../context.ts';
import { refuse } from '../errors.ts';
import type { ContextMap } from '../map-object.ts';
import type { ContextProgram } from '../program-object.ts';
import type { ContextSession } from '../session.ts';
import { ContextLink } from './link-object.ts';
import type { HookRow } from './rows.ts';
import type { Ran } from './runner.ts';

type LinkNames = `link.${string}` & keyof Handlers<ContextSession>;
type HookNames = 'hook.fire' | 'hook.list' | 'prog.attach' | 'prog.detach' | 'prog.query';

const MAX_REPEAT = 1_000_000_000;

const program = (session: ContextSession, fd: number, operation: string): ContextProgram =>
  session.handleOf<ContextProgram>('prog', fd, operation);

const optional = (session: ContextSession, fd: number | undefined, operation: string): ContextProgram | undefined =>
  fd === undefined ? undefined : program(session, fd, operation);

const linkOf = (session: ContextSession, fd: number, operation: string): ContextLink =>
  session.handleOf<ContextLink>('link', fd, operation);

/** The map that a target names by a handle of the session. */
const mapIdOf = (session: ContextSession, { mapFd }: { readonly mapFd?: number }, operation: string): Id | undefined =>
  mapFd === undefined ? undefined : session.handleOf<ContextMap>('map', mapFd, operation).id;

/** What a program goes before or after: a program that prog.attach attached, or a link. */
function relativeOf(session: ContextSession, fd: number | undefined, operation: string) {
  if (fd === undefined) return undefined;
  const object = session.object(fd, operation);
  if (object instanceof ContextLink) return { program: object.program, linkId: object.id };
  return { program: program(session, fd, operation), linkId: 0 };
}

export const linkMethods: Pick<Handlers<ContextSession>, LinkNames> = {
  'link.create': (session, { fd, attachType, target, flags, cookie, relativeFd }) => {
    const operation = 'link.create';
    const { hooks } = session.context;
    session.checkRoom(1);
    const relative = relativeOf(session, relativeFd, operation);
    const options = { flags, cookie, relative, mapId: mapIdOf(session, target, operation) };
    const link = hooks.link(program(session, fd, operation), attachType, target, options, operation);
    return { fd: session.open(link) };
  },
  'link.update': (session, { fd, progFd, oldProgFd }) => {
    const operation = 'link.update';
    const next = program(session, progFd, operation);
    linkOf(session, fd, operation).update(next, optional(session, oldProgFd, operation), operation);
    return {};
  },
  'link.detach': (session, { fd }) => {
    linkOf(session, fd, 'link.detach').detach('link.detach');
    return {};
  },
};

export const hookMethods: Pick<Handlers<ContextSession>, HookNames> = {
  'prog.attach': (session, { fd, attachType, target, flags, replaceFd, relativeFd }) => {
    const operation = 'prog.attach';
    const options = {
      flags,
      mapId: mapIdOf(session, target, operation),
      replaces: optional(session, replaceFd, operation),
      relative: relativeOf(session, relativeFd, operation),
    };
    session.context.hooks.attach(program(session, fd, operation), attachType, target, options, operation);
    return {};
  },
  'prog.detach': (session, { fd, attachType, target }) => {
    const operation = 'prog.detach';
    const which = optional(session, fd, operation);
    session.context.hooks.detach(which, attachType, target, operation, mapIdOf(session, target, operation));
    return {};
  },
  'prog.query': (session, { attachType, target }) =>
    session.context.hooks.query(attachType, target, 'prog.query', mapIdOf(session, target, 'prog.query')),
  'hook.fire': (session, event) => fire(session, event),
  'hook.list': ({ context }) => ({
    hooks: [...context.hooks.rows()].map(({ attachType, dialect, types, limit, provider }) => ({
      attachType,
      dialect,
      types,
      limit: limit.doc,
      provider,
    })),
  }),
};

function fire(session: ContextSession, event: Params<'hook.fire'>): Result<'hook.fire'> {
  const operation = 'hook.fire';
  const { context } = session;
  const { repeat = 1, pid } = event;
  if (!Number.isInteger(repeat) || repeat < 1 || repeat > MAX_REPEAT)
    refuse(operation, 'EINVAL', `repeat must be 1 to ${MAX_REPEAT}, not ${repeat}`);
  const mapId = mapIdOf(session, event.target ?? {}, operation);
  const hook = context.hooks.prepare(withCompartment(event), operation, mapId);
  const row = context.hooks.rowOf(event, operation, mapId);
  const input = inputOf(context, row, event);
  return inTask(context, pid ?? session.pid, () => {
    for (let i = 1; i < repeat; i++) hook.invoke(input);
    context.redirectContext = undefined;
    const { retval, ran, data = event.data, ctx } = hook.fire(input);
    const { redirectContext } = context;
    const left = ctx ?? (event.ctx instanceof Uint8Array ? event.ctx : undefined);
    return {
      ...verdictOf(context, row, retval, ran, data, left),
      ...(redirectContext === undefined ? {} : { redirectContext }),
    };
  });
}

/** An event of Windows says in its context which compartment it is in, where its target does not. */
function withCompartment(event: HookEvent): HookEvent {
  const { target = {}, ctx } = event;
  if (target.compartment !== undefined || ctx === undefined || ctx instanceof Uint8Array) return event;
  const { compartment_id: compartment } = ctx;
  return typeof compartment === 'number' ? { ...event, target: { ...target, compartment } } : event;
}

/** The event's packet and context; a context by fields gets the process and compartment that the event names. */
function inputOf(context: ExecutionContext, row: HookRow, { data, ctx, pid, target }: HookEvent) {
  const fields = context.platform(row.dialect).programType(row.types[0])?.contexts[row.dialect]?.fields ?? {};
  const known = {
    ...(pid !== undefined && Object.hasOwn(fields, 'process_id') ? { process_id: pid } : {}),
    ...(target?.compartment !== undefined && Object.hasOwn(fields, 'compartment_id')
      ? { compartment_id: target.compartment }
      : {}),
  };
  const whole = ctx instanceof Uint8Array || Object.keys(known).length === 0 ? ctx : { ...known, ...ctx };
  return { ...(data === undefined ? {} : { data }), ...(whole === undefined ? {} : { ctx: whole }) };
}

/** Runs in the task that an event happens in. */
function inTask<T>(context: ExecutionContext, pid: number | undefined, body: () => T): T {
  const before = context.process;
  if (pid !== undefined) context.process = { ...context.host.services.process(), pid, tgid: pid };
  try {
    return body();
  } finally {
    context.process = before;
  }
}

function verdictOf(
  context: ExecutionContext,
  row: HookRow,
  verdict: number,
  ran: readonly Ran[],
  data: Uint8Array | undefined,
  ctx: Uint8Array | undefined,
): Result<'hook.fire'> {
  const type = context.platform(row.dialect).programType(row.types[0]);
  const names = Object.entries(type?.verdicts[row.dialect] ?? {});
  const [name] = names.find(([, value]) => Number(BigInt.asUintN(32, value)) === verdict) ?? [
    type?.otherVerdict?.[row.dialect],
  ];
  return {
    verdict,
    ...(name === undefined ? {} : { name }),
    ...(data === undefined ? {} : { data }),
    ...(ctx === undefined ? {} : { ctx }),
    ran,
  };
}
