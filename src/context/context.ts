// An execution context: one linear memory with the programs, maps, links and BTF of all its sessions, and their pins.
import type { VerifyMode } from '../run/verification.ts';
import { Runtime, type RuntimeOptions } from '../run/runtime.ts';
import type { Host, HostServices, ProcessIdentity } from '../spec/host.ts';
import type { Dialect } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import type { ContextObserver, Events, Id, ObjectKind } from '../spec/session.ts';
import type { VerifyOptions } from '../verify/verify.ts';
import { ContextBtf } from './btf-object.ts';
import { refuse } from './errors.ts';
import { Epochs } from './hooks/epochs.ts';
import { Hooks } from './hooks/hooks.ts';
import type { ContextMap } from './map-object.ts';
import { type ContextObject, ObjectTable } from './objects.ts';
import { canonicalPin, type PinForm, PinTree, printPin } from './pins.ts';
import type { LoadPipeline } from './pipeline.ts';
import type { ContextProgram } from './program-object.ts';
import type { Provider } from './providers/records.ts';
import { ProviderStore } from './providers/store.ts';
import { ContextSession, type SessionOptions } from './session.ts';

export interface ContextOptions extends Pick<RuntimeOptions, 'host' | 'engine' | 'memoryLimit' | 'shared'> {
  /** How paths of pins are printed; `linux` (`/sys/fs/bpf/a`) where absent. */
  readonly pinForm?: PinForm;
  /** What is verified (LoadOptions.verify); `require` where absent: nothing is loaded that is not shown to be safe. */
  readonly verify?: VerifyMode;
  readonly verifyLimits?: VerifyOptions;
  /** Does the work of loading beside the context; all is done in it where absent. */
  readonly pipeline?: LoadPipeline;
  /** Extensions that are there from the beginning (context/providers). */
  readonly providers?: Iterable<Provider>;
  /** Told of every change. */
  readonly observers?: Iterable<ContextObserver>;
  /** Ids that were given before, by a context of which this one takes the place: the next ones are above. */
  readonly lastIds?: { readonly [K in ObjectKind]?: Id };
}

export class ExecutionContext implements Disposable {
  /** The host with what the context adds: lines of trace go to subscribers too, and hooks say which process they are in. */
  readonly host: Host;
  readonly runtime: Runtime;
  readonly options: ContextOptions;
  readonly observers: Set<ContextObserver>;
  readonly programs: ObjectTable<ContextProgram>;
  readonly maps: ObjectTable<ContextMap>;
  readonly links: ObjectTable<ContextObject<'link'>>;
  readonly btfs: ObjectTable<ContextBtf>;
  readonly pins = new PinTree();
  /** What a run may still use is given back through this. */
  readonly reclaimer = new Epochs();
  /** Where programs are attached. */
  readonly hooks: Hooks;
  /** What extensions bring. */
  readonly providers: ProviderStore;
  /** The task that a hook's event happens in; the host's where undefined. */
  process: ProcessIdentity | undefined;
  /** What the last program left for whoever gets the connection that it redirected. */
  redirectContext: Uint8Array | undefined;
  readonly #sessions = new Set<ContextSession>();
  readonly #traceListeners = new Set<(event: Events['trace']) => void>();
  readonly #lastIds: Record<'link' | 'btf', Id> = { link: 0, btf: 0 };
  #counting = 0;
  #disposed = false;

  constructor(options: ContextOptions) {
    this.options = options;
    this.observers = new Set(options.observers);
    this.host = this.#hostOf(options.host);
    this.runtime = new Runtime({ ...options, host: this.host });
    this.idsFrom(options.lastIds ?? {});
    const counter = (kind: 'link' | 'btf') => (): Id => ++this.#lastIds[kind];
    this.maps = new ObjectTable('map', this.observers, () => this.runtime.mapContext.nextMapId());
    this.programs = new ObjectTable('prog', this.observers, () => this.runtime.nextProgramId());
    this.links = new ObjectTable('link', this.observers, counter('link'));
    this.hooks = new Hooks(this);
    this.providers = new ProviderStore(this);
    for (const provider of options.providers ?? []) this.providers.register(provider);
    this.btfs = new ObjectTable('btf', this.observers, counter('btf'));
  }

  /** Further ids are above these (ContextOptions.lastIds). */
  idsFrom(last: NonNullable<ContextOptions['lastIds']>): void {
    this.runtime.idsFrom({ map: last.map ?? 0, program: last.prog ?? 0 });
    for (const kind of ['link', 'btf'] as const) this.#lastIds[kind] = Math.max(this.#lastIds[kind], last[kind] ?? 0);
  }

  /** A session on this context. Its handles go when it is closed. */
  session(options: SessionOptions = {}): ContextSession {
    if (this.#disposed) refuse('open a session', 'ENODEV', 'the context is gone');
    const session = new ContextSession(this, options);
    this.#sessions.add(session);
    return session;
  }

  get sessions(): ReadonlySet<ContextSession> {
    return this.#sessions;
  }

  /** A session has ended; ContextSession says so. */
  forget(session: ContextSession): void {
    this.#sessions.delete(session);
  }

  platform(dialect: Dialect): Platform {
    return this.providers.platform(dialect);
  }

  get verify(): VerifyMode {
    return this.options.verify ?? 'require';
  }

  /** What is the same in everything that is loaded here. */
  loadOptions(dialect: Dialect) {
    const { host, runtime, verify } = this;
    const { verifyLimits } = this.options;
    const platform = this.platform(dialect);
    return { host, runtime, platform, verify, ...(verifyLimits === undefined ? {} : { verifyLimits }) };
  }

  table(kind: ObjectKind): ObjectTable<ContextObject> {
    const tables = { map: this.maps, prog: this.programs, link: this.links, btf: this.btfs };
    return tables[kind] as unknown as ObjectTable<ContextObject>;
  }

  tell(about: (observer: ContextObserver) => void): void {
    for (const observer of this.observers) about(observer);
  }

  // Pins.

  /** @throws AnyBpfError EINVAL, ENAMETOOLONG for what is no path, EINVAL for the root */
  pinPath(path: string, operation: string): string {
    const found = canonicalPin(path);
    if ('errno' in found) return refuse(operation, found.errno, `'${path}' is no path of a pin`);
    return found.path === '' ? refuse(operation, 'EINVAL', `'${path}' names no pin`) : found.path;
  }

  /** As pinPath, and the root is one. */
  pinFolder(path: string, operation: string): string {
    const found = canonicalPin(path);
    return 'errno' in found ? refuse(operation, found.errno, `'${path}' is no path`) : found.path;
  }

  printPin(path: string): string {
    return printPin(path, this.options.pinForm ?? 'linux');
  }

  /** Pins an object. @throws AnyBpfError EEXIST */
  pin(object: ContextObject, path: string, operation = 'object.pin'): void {
    const canonical = this.pinPath(path, operation);
    if (this.pins.get(canonical) !== undefined) refuse(operation, 'EEXIST', `${this.printPin(canonical)} is taken`);
    this.pins.add(canonical, object);
    this.tell((observer) => observer.pinned?.(canonical, object.kind, object.id));
  }

  /** @throws AnyBpfError ENOENT */
  unpin(path: string, operation = 'object.unpin'): void {
    const canonical = this.pinPath(path, operation);
    if (!this.pins.remove(canonical)) refuse(operation, 'ENOENT', `nothing is pinned at ${this.printPin(canonical)}`);
    this.tell((observer) => observer.unpinned?.(canonical));
  }

  printedPins(object: ContextObject): string[] {
    return [...object.pins].map((path) => this.printPin(path));
  }

  // Run statistics and trace.

  /** Run counts and times are wanted. */
  get counts(): boolean {
    return this.#counting > 0;
  }

  /** @returns takes the wish away */
  wantCounts(): () => void {
    this.#counting++;
    return () => {
      this.#counting--;
    };
  }

  onTrace(hear: (event: Events['trace']) => void): () => void {
    this.#traceListeners.add(hear);
    return () => this.#traceListeners.delete(hear);
  }

  #hostOf(host: Host): Host {
    const { services } = host;
    const own: Pick<HostServices, 'trace' | 'process' | 'redirectContext'> = {
      trace: (line) => {
        services.trace(line);
        if (this.#traceListeners.size === 0) return;
        const { pid, tgid } = own.process();
        const event = { line, cpu: this.runtime.cpu, pid, tgid, time: services.clock.boot() };
        for (const hear of this.#traceListeners) hear(event);
      },
      process: () => this.process ?? services.process(),
      redirectContext: (bytes) => {
        this.redirectContext = bytes;
        services.redirectContext?.(bytes);
      },
    };
    const extended = Object.create(
      services,
      Object.fromEntries(Object.entries(own).map(([name, value]) => [name, { value }])),
    ) as HostServices;
    return { name: host.name, services: extended, platform: (dialect) => this.platform(dialect) };
  }

  /** Ends all sessions, then all objects, pinned and attached ones too. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const session of this.#sessions) session.end('the context is gone');
    for (const [path] of this.pins.below('')) this.pins.remove(path);
    // What stays without a handle: attachments, and what they run.
    for (const table of [this.links, this.programs, this.maps, this.btfs])
      for (const object of table.values()) object.end();
    this.runtime[Symbol.dispose]();
  }
}
