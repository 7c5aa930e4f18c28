// Links: attachments that applications hold by handles and pins, and can give another program.
import type { AttachTarget, Id, LinkInfo, LinkTypeName } from '../../spec/session.ts';
import type { ErrnoName } from '../../spec/errno.ts';
import { refuse } from '../errors.ts';
import { ContextObject } from '../objects.ts';
import type { ContextProgram } from '../program-object.ts';
import type { Attachment } from './attachment.ts';
import type { Hook } from './hook.ts';

/** Kinds of links whose operations Linux does not have: what bpf_link_update and bpf_link_detach answer. */
const WITHOUT: { readonly [L in LinkTypeName]?: { readonly update?: ErrnoName; readonly detach?: ErrnoName } } = {
  raw_tracepoint: { update: 'EINVAL', detach: 'EOPNOTSUPP' },
  tracing: { update: 'EINVAL', detach: 'EOPNOTSUPP' },
  perf_event: { update: 'EINVAL', detach: 'EOPNOTSUPP' },
  kprobe_multi: { update: 'EINVAL', detach: 'EOPNOTSUPP' },
  uprobe_multi: { update: 'EINVAL', detach: 'EOPNOTSUPP' },
  netfilter: { update: 'EOPNOTSUPP' },
};

export interface LinkParts {
  readonly hook: Hook;
  readonly attachment: Attachment;
  readonly type: LinkTypeName;
  readonly legacy: boolean;
  readonly cookie?: bigint | undefined;
  /** Told of changes. */
  updated(link: ContextLink): void;
  detached(link: ContextLink): void;
}

export class ContextLink extends ContextObject<'link'> {
  readonly kind = 'link';
  readonly type: LinkTypeName;
  readonly hook: Hook;
  readonly legacy: boolean;
  readonly cookie: bigint | undefined;
  readonly #parts: LinkParts;
  #attachment: Attachment | undefined;

  constructor(id: Id, parts: LinkParts) {
    super(id);
    this.#parts = parts;
    this.type = parts.type;
    this.hook = parts.hook;
    this.legacy = parts.legacy;
    this.cookie = parts.cookie;
    this.#attachment = parts.attachment;
    parts.attachment.program.links.add(id);
    this.onEnd(() => this.#detach());
  }

  /** The program that it runs; undefined once it is detached. */
  get program(): ContextProgram | undefined {
    return this.#attachment?.program;
  }

  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  get target(): AttachTarget {
    return this.#parts.attachment.point.target.plain;
  }

  /**
   * Puts another program in the place of the link's: events that begin from now on run it, none runs neither or both.
   *
   * @throws AnyBpfError EPERM where `old` is not the link's program, EINVAL where the new one is of another type, ENOLINK where it was
   *   detached, and what Linux says to links of kinds that cannot be updated
   */
  update(program: ContextProgram, old: ContextProgram | undefined, operation: string): void {
    const without = WITHOUT[this.type]?.update;
    if (without !== undefined) refuse(operation, without, `${this.type} links keep their program`);
    const attachment = this.#attachment;
    if (attachment === undefined) return refuse(operation, 'ENOLINK', 'the link was detached');
    const current = attachment.program;
    if (old !== undefined && old !== current)
      refuse(operation, 'EPERM', `the link's program is ${current.id}, not ${old.id}`);
    const [now, before] = [program.loaded.spec, current.loaded.spec];
    if (now.type !== before.type || now.dialect !== before.dialect)
      refuse(operation, 'EINVAL', `the link's program is of the type ${before.type}, the new one of ${now.type}`);
    if (this.hook.row.expected === true && now.attachType !== this.hook.row.attachType)
      refuse(operation, 'EINVAL', `the program was loaded for ${now.attachType}`);
    if (program === current) return;
    current.links.delete(this.id);
    program.links.add(this.id);
    this.hook.replace(attachment, program);
    this.#parts.updated(this);
  }

  /** Takes the program off its hook, and leaves the link without one. Once it is detached nothing happens. */
  detach(operation: string): void {
    const without = WITHOUT[this.type]?.detach;
    if (without !== undefined) refuse(operation, without, `${this.type} links are detached by closing them`);
    if (this.#detach()) this.#parts.detached(this);
  }

  #detach(): boolean {
    const attachment = this.#attachment;
    if (attachment === undefined) return false;
    this.#attachment = undefined;
    attachment.program.links.delete(this.id);
    this.hook.detach(attachment);
    return true;
  }

  info(pins: readonly string[]): LinkInfo {
    const { kind, id, type, hook, legacy, program, target } = this;
    return {
      kind,
      id,
      type,
      progId: program?.id ?? 0,
      attachType: hook.row.attachType,
      target,
      detached: program === undefined,
      legacy,
      pins,
    };
  }
}
