// What is attached, where.
import type { Id } from '../../spec/session.ts';
import type { ContextProgram } from '../program-object.ts';
import type { Occupant } from './limits.ts';
import type { Target } from './target.ts';

/** One target of a hook with its programs, in the order in which they run. */
export interface Point {
  readonly target: Target;
  readonly attachments: Attachment[];
  /** Counts changes, as prog.query tells it. */
  revision: bigint;
}

/** A program at a hook's point, by a link or by prog.attach. It holds the program. */
export class Attachment implements Occupant {
  program: ContextProgram;
  readonly point: Point;
  /** 0 where there is no link object. */
  readonly linkId: Id;
  readonly byLink: boolean;
  readonly flags: number;
  readonly priority: number;

  constructor(
    program: ContextProgram,
    point: Point,
    { linkId, byLink, flags, priority }: Omit<Occupant, 'progId'> & { readonly linkId: Id },
  ) {
    this.program = program;
    this.point = point;
    this.linkId = linkId;
    this.byLink = byLink;
    this.flags = flags;
    this.priority = priority;
  }

  get progId(): Id {
    return this.program.id;
  }
}
