// Programs of a loaded skeleton, and their links.
import { fail } from '../base/diagnostic.ts';
import { noAttachType } from '../base/messages/skeleton.ts';
import type { AttachTypeName, ProgramTypeName } from '../spec/program-types.ts';
import type { AttachTarget, LinkInfo, Params, ProgramInfo, Result, Session } from '../spec/session.ts';
import { Handle } from './handle.ts';

/** What the object's section says of a program. */
export interface ProgramRow {
  readonly section: string;
  readonly type: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  /** What follows the section's prefix (`syscalls/sys_enter_openat`). */
  readonly target?: string;
  /** False for `?` sections: loaded only where asked for. */
  readonly autoload?: false;
}

/** Where a program goes: a target, and what its section leaves open. */
export interface AttachOptions extends AttachTarget {
  /** Needed where the section does not say it (`tc`: `tcx_ingress` or `tcx_egress`). */
  readonly attachType?: AttachTypeName;
  readonly flags?: number;
  /** bpf_get_attach_cookie. */
  readonly cookie?: bigint;
}

/** Attach types of program types whose sections name none, as libbpf attaches them. */
const ATTACH_TYPE_OF: { readonly [T in ProgramTypeName]?: AttachTypeName } = {
  tracepoint: 'perf_event',
  kprobe: 'perf_event',
  perf_event: 'perf_event',
  raw_tracepoint: 'trace_raw_tp',
  raw_tracepoint_writable: 'trace_raw_tp',
};

/** A link: what holds a program at its hook. */
export class Link extends Handle<LinkInfo> {
  constructor(session: Session, name: string, fd: number) {
    super(session, 'link', name, fd);
  }

  /** Puts another program in the place of this link's, at once for all events that come after. */
  async update(program: Program): Promise<void> {
    await this.session.call('link.update', { fd: this.fd, progFd: program.fd });
  }

  /** Takes the program off the hook; the link stays, without a program. */
  async detach(): Promise<void> {
    await this.session.call('link.detach', { fd: this.fd });
  }
}

export class Program extends Handle<ProgramInfo> {
  readonly row: ProgramRow;

  constructor(session: Session, name: string, fd: number | undefined, row: ProgramRow) {
    super(session, 'prog', name, fd);
    this.row = row;
  }

  /** Attaches the program. Raises skeleton/attach where neither section nor options say to what. */
  async attach(options: AttachOptions = {}): Promise<Link> {
    const { row, name } = this;
    const { attachType = row.attachType ?? ATTACH_TYPE_OF[row.type], flags, cookie, ...target } = options;
    if (attachType === undefined) fail(noAttachType({ program: name }, name, row.section));
    const named = target.name ?? row.target;
    const { fd } = await this.session.call('link.create', {
      fd: this.fd,
      attachType,
      target: named === undefined ? target : { ...target, name: named },
      ...(flags === undefined ? {} : { flags }),
      ...(cookie === undefined ? {} : { cookie }),
    });
    return new Link(this.session, name, fd);
  }

  /** A test run, as BPF_PROG_TEST_RUN. */
  async run(input: Omit<Params<'prog.testRun'>, 'fd'> = {}): Promise<Result<'prog.testRun'>> {
    return this.session.call('prog.testRun', { fd: this.fd, ...input });
  }
}
