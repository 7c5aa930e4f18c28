// The hooks of a context: finds the one that is meant, attaches programs to it, feeds it events.
import type { TestRunInput, TestRunOutput } from '../../spec/program.ts';
import type { Dialect } from '../../spec/object.ts';
import type { AttachTypeName } from '../../spec/program-types.ts';
import type { AttachTarget, HookEvent, Id, LinkTypeName } from '../../spec/session.ts';
import type { ExecutionContext } from '../context.ts';
import { refuse } from '../errors.ts';
import type { ContextProgram } from '../program-object.ts';
import type { Attachment } from './attachment.ts';
import { HookBatch } from './batch.ts';
import { type AttachOptions, type Chain, Hook } from './hook.ts';
import { ATTACH_FLAGS } from './limits.ts';
import { ContextLink } from './link-object.ts';
import { HOOK_ROWS, type HookRow, noHook } from './rows.ts';
import { type Ran, Runner } from './runner.ts';
import { type Target, targetOf } from './target.ts';

/** Of Windows: what an event without a compartment happens in. */
const DEFAULT_COMPARTMENT = 1;

export interface LinkOptions {
  readonly flags?: number | undefined;
  readonly cookie?: bigint | undefined;
  readonly relative?: AttachOptions['relative'];
  /** Of the map that the target's mapFd names. */
  readonly mapId?: Id | undefined;
}

/** A hook at one target, for those that feed it: takes what is attached anew with each event. */
export class PreparedHook {
  readonly #hook: Hook;
  readonly #runner: Runner;
  readonly #target: Target;
  readonly #context: ExecutionContext;
  #version = -1;
  #chain: Chain;

  /** Use Hooks.prepare. */
  constructor(context: ExecutionContext, hook: Hook, runner: Runner, target: Target) {
    this.#context = context;
    this.#hook = hook;
    this.#runner = runner;
    this.#target = target;
    this.#chain = hook.chain(target);
  }

  /** What an event that begins now runs. */
  get chain(): Chain {
    if (this.#version !== this.#hook.version) {
      this.#version = this.#hook.version;
      this.#chain = this.#hook.chain(this.#target);
    }
    return this.#chain;
  }

  /** What the hook does with nothing attached. */
  get nothing(): number {
    return this.#hook.row.verdict;
  }

  /**
   * One event; gives the verdict, unsigned. The lean path: what the programs left of packet and context, `fire` tells.
   *
   * @throws AnyBpfError for an event that the program type does not take, run/... where a program's run is aborted
   */
  invoke(input: TestRunInput): number {
    return this.#runner.run(this.chain, input);
  }

  /** One event, with the packet and context that it left, and the programs that ran. */
  fire(input: TestRunInput): TestRunOutput & { readonly ran: readonly Ran[] } {
    const ran: Ran[] = [];
    return { ...this.#runner.runWhole(this.chain, input, ran), ran };
  }

  /** A place for `size` events that run in one call; it goes on over changes of what is attached. Dispose of it. */
  batch(size: number): HookBatch {
    const { reclaimer } = this.#context;
    return new HookBatch(this, this.#runner, reclaimer, size, () => this.#context.counts);
  }
}

export class Hooks {
  readonly #context: ExecutionContext;
  readonly #hooks = new Map<string, { readonly hook: Hook; readonly runner: Runner }>();

  constructor(context: ExecutionContext) {
    this.#context = context;
    for (const row of HOOK_ROWS) this.add(row);
  }

  /** A hook, or the new row of one: what was attached under the old one stays, and follows the new one's rules. */
  add(row: HookRow): void {
    const key = `${row.dialect} ${row.attachType}`;
    const known = this.#hooks.get(key);
    if (known !== undefined) {
      known.hook.follow(row);
      known.runner.follow(row);
      return;
    }
    const drop = (program: ContextProgram): void => this.#context.reclaimer.defer(() => program.release());
    this.#hooks.set(key, { hook: new Hook(row, drop), runner: new Runner(this.#context, row) });
  }

  /** The hook of an attach type, by dialect. */
  find(dialect: Dialect, attachType: AttachTypeName): Hook | undefined {
    return this.#hooks.get(`${dialect} ${attachType}`)?.hook;
  }

  /** Those that are there: hooks of providers while these are. */
  *rows(): Generator<HookRow> {
    for (const { hook } of this.#hooks.values()) if (this.#context.providers.hasHook(hook.row)) yield hook.row;
  }

  /** Makes all hooks look again at which programs are usable. */
  refresh(): void {
    for (const { hook } of this.#hooks.values()) hook.changed();
  }

  #hookFor(program: ContextProgram, attachType: AttachTypeName, operation: string): Hook {
    const { spec } = program.loaded;
    const hook = this.find(spec.dialect, attachType);
    if (hook === undefined) {
      const why = noHook(attachType) ?? `has no hook of the ${spec.dialect} dialect`;
      return refuse(operation, 'EINVAL', `${attachType} ${why}`);
    }
    const { row } = hook;
    const given = spec.attachType ?? attachType;
    if (!row.types.includes(spec.type))
      refuse(operation, 'EINVAL', `${spec.type} programs are not attached to ${attachType}`);
    if ((row.expected === true && given !== attachType) || noHook(given) !== undefined)
      refuse(operation, 'EINVAL', `the program was loaded for ${given}, not for ${attachType}`);
    this.#context.providers.checkUsable(program);
    this.#checkProvider(row, operation);
    return hook;
  }

  #checkProvider(row: HookRow, operation: string): void {
    if (!this.#context.providers.hasHook(row))
      refuse(operation, 'ENODEV', `the provider of ${row.attachType}, ${row.provider}, is away`);
  }

  /** Attaches a program by a new link, which the caller opens a handle of or pins at once. */
  link(
    program: ContextProgram,
    attachType: AttachTypeName,
    target: AttachTarget,
    { flags = 0, cookie, relative, mapId }: LinkOptions,
    operation: string,
    legacy = false,
  ): ContextLink {
    const context = this.#context;
    const hook = this.#hookFor(program, attachType, operation);
    const where = targetOf(hook.row.target, target, operation, mapId);
    // A cgroup's links are always of the kind that allows others.
    const asked = hook.row.inherited === true ? flags | ATTACH_FLAGS.ALLOW_MULTI : flags;
    if (hook.row.inherited === true && flags !== 0 && flags !== ATTACH_FLAGS.ALLOW_MULTI)
      refuse(operation, 'EINVAL', 'links of cgroups take no flags');
    const id = context.links.nextId();
    const attachment = hook.attach(program, where, { operation, linkId: id, legacy, flags: asked, relative });
    const link = new ContextLink(id, {
      hook,
      attachment,
      type: linkType(hook.row, program),
      legacy,
      cookie,
      updated: (link) => context.tell((observer) => observer.linkUpdated?.(link.id, link.program?.id ?? 0)),
      detached: (link) => context.tell((observer) => observer.linkDetached?.(link.id)),
    });
    return context.links.add(link) as ContextLink;
  }

  /** BPF_PROG_ATTACH: stays until it is detached. Windows makes a link of it that nobody has a handle of. */
  attach(
    program: ContextProgram,
    attachType: AttachTypeName,
    target: AttachTarget,
    options: LinkOptions & { readonly replaces?: ContextProgram | undefined },
    operation: string,
  ): void {
    if (program.loaded.spec.dialect === 'windows') {
      if (options.replaces !== undefined || (options.flags ?? 0) !== 0)
        refuse(operation, 'EINVAL', 'Windows takes neither flags nor a program to replace');
      this.link(program, attachType, target, options, operation, true).retain();
      return;
    }
    const hook = this.#hookFor(program, attachType, operation);
    const where = targetOf(hook.row.target, target, operation, options.mapId);
    const { flags = 0, replaces, relative } = options;
    hook.attach(program, where, { operation, linkId: 0, legacy: true, flags, replaces, relative });
    this.#context.tell((observer) => observer.attachmentsChanged?.());
  }

  /** What `attach` attached and no link object stands for, in the order in which it runs at each target. */
  *attached(): Generator<
    { readonly attachType: AttachTypeName; readonly target: AttachTarget } & Pick<Attachment, 'program' | 'flags'>
  > {
    for (const { hook } of this.#hooks.values()) {
      for (const { target, attachments } of hook.points.values()) {
        for (const one of attachments) {
          if (one.byLink || one.linkId !== 0) continue;
          yield { attachType: hook.row.attachType, target: target.plain, program: one.program, flags: one.flags };
        }
      }
    }
  }

  /**
   * BPF_PROG_DETACH of what `attach` attached. Without a program: on Windows all of the parameter; on Linux the only one, where the
   * hook takes one.
   *
   * @throws AnyBpfError ENOENT where it is not there, EBUSY where a link holds it, EINVAL where several are and none is named
   */
  detach(
    program: ContextProgram | undefined,
    attachType: AttachTypeName,
    target: AttachTarget,
    operation: string,
    mapId?: Id,
  ): void {
    const hook = this.#hookAt(program?.loaded.spec.dialect, attachType, target, operation, mapId);
    const where = targetOf(hook.row.target, target, operation, mapId);
    const here = hook.point(where)?.attachments ?? [];
    const legacy = here.filter((one) => this.#isLegacy(one));
    const chosen = program === undefined ? legacy : legacy.filter((one) => one.program === program);
    if (chosen.length === 0) {
      const byLink = here.some((one) => program === undefined || one.program === program);
      if (byLink) refuse(operation, hook.row.target === 'ifindex' ? 'EBUSY' : 'ENOENT', 'a link holds it');
      return refuse(operation, 'ENOENT', 'the program is not attached there');
    }
    if (hook.row.dialect === 'linux' && chosen.length > 1)
      refuse(operation, 'EINVAL', 'several programs are attached: name one');
    for (const attachment of chosen) this.#end(hook, attachment, operation);
  }

  #isLegacy({ byLink, linkId }: Attachment): boolean {
    return !byLink || this.#linkOf(linkId)?.legacy === true;
  }

  #linkOf(id: Id): ContextLink | undefined {
    return this.#context.links.get(id) as ContextLink | undefined;
  }

  #end(hook: Hook, attachment: Attachment, operation: string): void {
    const link = this.#linkOf(attachment.linkId);
    if (link === undefined) {
      hook.detach(attachment);
      this.#context.tell((observer) => observer.attachmentsChanged?.());
      return;
    }
    link.detach(operation);
    link.release();
  }

  /** What is attached at a target, in the order in which it runs there; without what is inherited. */
  query(attachType: AttachTypeName, target: AttachTarget, operation: string, mapId?: Id) {
    const hook = this.#hookAt(undefined, attachType, target, operation, mapId);
    const point = hook.point(targetOf(hook.row.target, target, operation, mapId));
    const progs = (point?.attachments ?? []).map(({ progId, linkId, flags }) => ({ id: progId, linkId, flags }));
    return { progs, revision: point?.revision ?? 1n };
  }

  /**
   * The hook that an event or query means where no dialect is named: the one whose targets have such fields; of two, the one with
   * programs; of two alike, Linux'.
   */
  #hookAt(
    dialect: Dialect | undefined,
    attachType: AttachTypeName,
    target: AttachTarget,
    operation: string,
    mapId?: Id,
  ): Hook {
    const candidates = (dialect === undefined ? (['linux', 'windows'] as const) : [dialect]).flatMap((one) => {
      const hook = this.find(one, attachType);
      return hook === undefined ? [] : [hook];
    });
    if (candidates.length === 0) {
      return refuse(operation, 'EINVAL', `${attachType} ${noHook(attachType) ?? 'has no hook here'}`);
    }
    if (candidates.length === 1) return candidates[0];
    const fitting = candidates.filter(({ row }) => fits(row, target, mapId));
    return fitting.find(({ points }) => points.size > 0) ?? fitting.at(0) ?? candidates[0];
  }

  /**
   * A hook at a target, to feed it events.
   *
   * @throws AnyBpfError EINVAL where there is no such hook or target
   */
  prepare(
    { attachType, target = {}, dialect }: Pick<HookEvent, 'attachType' | 'target' | 'dialect'>,
    operation = 'hook.fire',
    mapId?: Id,
  ): PreparedHook {
    const hook = this.#hookAt(dialect, attachType, target, operation, mapId);
    const { row } = hook;
    this.#checkProvider(row, operation);
    const event =
      row.target === 'compartment' && (target.compartment ?? 0) === 0 ? { compartment: DEFAULT_COMPARTMENT } : target;
    const entry = this.#hooks.get(`${row.dialect} ${attachType}`) as { readonly runner: Runner };
    return new PreparedHook(this.#context, hook, entry.runner, targetOf(row.target, event, operation, mapId));
  }

  /** Which hook `prepare` means. */
  rowOf({ attachType, target = {}, dialect }: HookEvent, operation: string, mapId?: Id): HookRow {
    return this.#hookAt(dialect, attachType, target, operation, mapId).row;
  }
}

function fits(row: HookRow, target: AttachTarget, mapId?: Id): boolean {
  try {
    targetOf(row.target, target, '', mapId);
    return true;
  } catch {
    return false;
  }
}

/** Links of raw tracepoints are of another kind where the program has BTF. */
function linkType(row: HookRow, program: ContextProgram): LinkTypeName {
  return row.link === 'raw_tracepoint' && program.loaded.spec.type === 'tracing' ? 'tracing' : row.link;
}
