// One hook of a context: what is attached at its points, and which programs an event runs.
import type { Id } from '../../spec/session.ts';
import { refuse } from '../errors.ts';
import type { ContextProgram } from '../program-object.ts';
import { Attachment, type Point } from './attachment.ts';
import { type ChainRule, CHAINS } from './chains.ts';
import { ATTACH_FLAGS, KEPT_FLAGS, type Occupant } from './limits.ts';
import { placeFor } from './order.ts';
import type { HookRow } from './rows.ts';
import { cgroupsAbove, type Target } from './target.ts';

/** The programs that an event runs, in order. Never changed: a change at the hook makes new ones. */
export interface Chain {
  readonly attachments: readonly { readonly program: ContextProgram; readonly linkId: Id }[];
  readonly rule: ChainRule;
  /** The verdict of a single program is the chain's as it is. */
  readonly whole: boolean;
}

/** How a program is to be attached. */
export interface AttachOptions {
  readonly operation: string;
  readonly linkId: Id;
  /** Made by prog.attach. */
  readonly legacy: boolean;
  readonly flags: number;
  /** The program to take the place of. */
  readonly replaces?: ContextProgram | undefined;
  /** The program to go before or after, and whether it was named by its link. */
  readonly relative?: { readonly program: ContextProgram | undefined; readonly linkId: Id } | undefined;
}

export class Hook {
  #row: HookRow;
  readonly #points = new Map<string, Point>();
  /** By key of the event's target; emptied with each change. */
  readonly #chains = new Map<string, Chain>();
  #version = 0;
  /** Called when programs can go: what they are retained for is over once the runs that have begun are. */
  readonly #drop: (program: ContextProgram) => void;

  constructor(row: HookRow, drop: (program: ContextProgram) => void) {
    this.#row = row;
    this.#drop = drop;
  }

  get row(): HookRow {
    return this.#row;
  }

  /** A provider has come back, perhaps with other rules. */
  follow(row: HookRow): void {
    this.#row = row;
    this.changed();
  }

  /** Goes up with each change that an event may see. */
  get version(): number {
    return this.#version;
  }

  get points(): ReadonlyMap<string, Point> {
    return this.#points;
  }

  point(target: Target): Point | undefined {
    return this.#points.get(target.key);
  }

  /** @throws AnyBpfError as the hook's limits refuse it */
  attach(program: ContextProgram, target: Target, options: AttachOptions): Attachment {
    const { operation, linkId, legacy, flags, replaces, relative } = options;
    const point = this.#points.get(target.key) ?? { target, attachments: [], revision: 1n };
    const { attachments } = point;
    const occupant: Occupant = {
      progId: program.id,
      byLink: !legacy,
      flags: this.#kept(flags),
      priority: target.priority,
    };
    const request = { ...occupant, flags, replaces: replaces?.id, wildcard: target.wildcard };
    if ((flags & ~(this.row.limit.flags ?? 0)) !== 0)
      refuse(operation, 'EINVAL', `flags 0x${(flags >>> 0).toString(16)} are not known here`);
    const anywhere = [...this.#points.values()].reduce((sum, one) => sum + one.attachments.length, 0);
    const admitted = this.row.limit.admit(request, { here: attachments, anywhere, above: this.#above(target) });
    if (typeof admitted !== 'number') return refuse(operation, admitted.errno, admitted.why);
    if (this.row.ordered !== true && relative !== undefined)
      refuse(operation, 'EINVAL', 'programs of this hook have no order');
    const attachment = new Attachment(program, point, { linkId, ...occupant });
    if (admitted >= 0) {
      const before = attachments[admitted];
      program.retain();
      attachments[admitted] = attachment;
      this.#drop(before.program);
    } else {
      const place = this.#place(attachment, flags, relative, operation);
      program.retain();
      attachments.splice(place, 0, attachment);
      this.#points.set(target.key, point);
    }
    this.changed(point);
    return attachment;
  }

  #place(
    { priority, program, point: { attachments } }: Attachment,
    flags: number,
    relative: AttachOptions['relative'],
    operation: string,
  ): number {
    if (this.row.ordered === true) {
      const { type } = program.loaded.spec;
      const other = relative?.program;
      if (other !== undefined && other.loaded.spec.type !== type)
        refuse(operation, 'EINVAL', `a program of another type than ${type} has no place here`);
      const named = relative === undefined ? undefined : { progId: other?.id ?? 0, linkId: relative.linkId };
      return placeFor(attachments, flags, named, operation);
    }
    const after = attachments.findIndex((one) => one.priority > priority);
    return after < 0 ? attachments.length : after;
  }

  /** Cgroups keep the two flags that those which come later must agree with; an order is not a flag once it is there. */
  #kept(flags: number): number {
    if (this.row.inherited === true) return flags & KEPT_FLAGS;
    return this.row.ordered === true ? 0 : flags;
  }

  #above({ kind, key }: Target): Attachment[][] {
    if (kind !== 'cgroup') return [];
    return cgroupsAbove(key).map((path) => this.#points.get(path)?.attachments ?? []);
  }

  detach(attachment: Attachment): void {
    const { attachments, target } = attachment.point;
    const at = attachments.indexOf(attachment);
    if (at < 0) return;
    attachments.splice(at, 1);
    if (attachments.length === 0) this.#points.delete(target.key);
    this.changed(attachment.point);
    this.#drop(attachment.program);
  }

  /** Another program takes the place of an attachment's: for all events that begin from now on. */
  replace(attachment: Attachment, program: ContextProgram): void {
    const before = attachment.program;
    attachment.program = program.retain();
    this.changed(attachment.point);
    this.#drop(before);
  }

  /** Makes events look again at what is attached and usable. */
  changed(point?: Point): void {
    if (point !== undefined) point.revision++;
    this.#version++;
    this.#chains.clear();
  }

  /** What an event at a target runs: those that are usable. */
  chain(target: Target): Chain {
    const known = this.#chains.get(target.key);
    if (known !== undefined) return known;
    const attachments = this.#applying(target)
      .filter(({ program }) => program.usable)
      .map(({ program, linkId }) => ({ program, linkId }));
    const { chain: rule } = this.row;
    const chain = { attachments, rule, whole: rule === CHAINS.single || rule === CHAINS.last };
    // Targets of events are the feeder's to choose: what is kept of them is bounded.
    if (this.#chains.size >= MOST_CHAINS) this.#chains.clear();
    this.#chains.set(target.key, chain);
    return chain;
  }

  /** All attachments that an event at a target concerns, in the order in which they run. */
  #applying(target: Target): readonly Attachment[] {
    const at = (key: string): readonly Attachment[] => this.#points.get(key)?.attachments ?? [];
    const here = at(target.key);
    if (target.kind === 'cgroup') {
      // compute_effective_progs: the cgroup's own, then those of each above that allows more than one.
      const effective = [...here];
      for (const path of cgroupsAbove(target.key)) {
        const above = at(path);
        if (effective.length === 0 || (above.length > 0 && (above[0].flags & ATTACH_FLAGS.ALLOW_MULTI) !== 0))
          effective.push(...above);
      }
      return effective;
    }
    const all = target.all;
    // Windows' filters for one compartment are before those for all.
    return all === undefined || target.wildcard ? here : [...here, ...at(all)];
  }
}

const MOST_CHAINS = 4096;
