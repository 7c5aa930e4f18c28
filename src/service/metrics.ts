// What there is and what it did, as Prometheus text. Names and labels of objects are those of bpfman's bpf-metrics-exporter; what the
// service counts of itself begins with `anybpf_`. Everything is asked for when somebody looks.
import { uptime } from 'node:os';
import process from 'node:process';
import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import { AnyBpfError } from '../base/diagnostic.ts';
import type { LinkInfo, MapInfo, ObjectInfo, ObjectKind, ProgramInfo, Session } from '../spec/session.ts';
import type { ServiceObserver } from './served.ts';

/** Media type of the text. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

type Labels = Record<string, string | number>;
type Sample = readonly [labels: Labels, value: number];

interface Row<T> {
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly labels: readonly string[];
  /** None where it does not apply. */
  sample(info: T): Sample | undefined;
}

const row = <T>(
  name: string,
  help: string,
  labels: readonly string[],
  sample: (info: T) => Sample | undefined,
  kind: Row<T>['kind'] = 'gauge',
): Row<T> => ({ name, help, labels, sample, kind });

const key = ({ id, name, type }: ProgramInfo | MapInfo): Labels => ({ id, name, type });
const KEY = ['id', 'name', 'type'];

/** Milliseconds since the epoch of a time since boot. */
const bootTime = (nanoseconds: bigint): number => Date.now() - uptime() * 1000 + Number(nanoseconds) / 1e6;

const ofProgram = (name: string, help: string, value: (info: ProgramInfo) => number, kind?: 'counter') =>
  row<ProgramInfo>(name, help, KEY, (info) => [key(info), value(info)], kind);
const ofMap = (name: string, help: string, value: (info: MapInfo) => number) =>
  row<MapInfo>(name, help, KEY, (info) => [key(info), value(info)]);

const PROGRAM_ROWS: readonly Row<ProgramInfo>[] = [
  row(
    'bpf_program_info',
    'eBPF program metadata',
    [...KEY, 'tag', 'gpl_compatible', 'map_ids', 'load_time'],
    (info) => [
      {
        ...key(info),
        tag: info.tag,
        gpl_compatible: String(info.gplCompatible),
        map_ids: `[${info.mapIds.join(', ')}]`,
        load_time: new Date(bootTime(info.loadedAt)).toISOString().slice(0, 19).replace('T', ' '),
      },
      1,
    ],
  ),
  ofProgram('bpf_program_load_time', 'When the program was loaded, in seconds since the epoch', (info) =>
    Math.floor(bootTime(info.loadedAt) / 1000),
  ),
  ofProgram('bpf_program_size_translated_bytes', 'Bytes of its instructions', (info) => info.bytesXlated),
  ofProgram('bpf_program_size_jitted_bytes', 'Bytes of the code that was made of it', (info) => info.bytesJited),
  ofProgram(
    'bpf_program_verified_instructions',
    'Instructions that the verifier looked at',
    (info) => info.verifiedInsns,
  ),
  ofProgram(
    'bpf_program_run_count_total',
    'Runs while statistics are kept',
    (info) => Number(info.runCount),
    'counter',
  ),
  ofProgram(
    'bpf_program_run_time_seconds_total',
    'Time of the runs while statistics are kept',
    (info) => Number(info.runTimeNs) / 1e9,
    'counter',
  ),
];

const MAP_LABELS = ['key_size', 'value_size', 'max_entries', 'flags'];
const MAP_ROWS: readonly Row<MapInfo>[] = [
  row('bpf_map_info', 'eBPF map metadata', [...KEY, ...MAP_LABELS], (info) => [
    {
      ...key(info),
      key_size: info.keySize,
      value_size: info.valueSize,
      max_entries: info.maxEntries,
      flags: info.flags,
    },
    1,
  ]),
  ofMap('bpf_map_key_size', 'Bytes of a key', (info) => info.keySize),
  ofMap('bpf_map_value_size', 'Bytes of a value', (info) => info.valueSize),
  ofMap('bpf_map_max_entries', 'Most entries', (info) => info.maxEntries),
  ofMap('bpf_map_mem_bytes', 'Bytes of memory that the map takes', (info) => info.memory),
];

const LINK_ROWS: readonly Row<LinkInfo>[] = [
  row('bpf_link_info', 'eBPF link metadata', ['id', 'prog_id', 'type', 'attach_type'], (info) => [
    { id: info.id, prog_id: info.progId, type: info.type, attach_type: info.attachType },
    1,
  ]),
];

/** Everything that a session can see, by kind. An object that goes meanwhile is passed over. */
async function everything(session: Session): Promise<Map<ObjectKind, ObjectInfo[]>> {
  const found = new Map<ObjectKind, ObjectInfo[]>();
  for (const kind of ['prog', 'map', 'link', 'btf'] as const) {
    const infos: ObjectInfo[] = [];
    found.set(kind, infos);
    for (let id = 0; ; ) {
      const next = await orGone(session.call('object.nextId', { kind, id }));
      if (next === undefined) break;
      ({ id } = next);
      const handle = await orGone(session.call('object.open', { kind, id }));
      if (handle === undefined) continue;
      const { fd } = handle;
      try {
        infos.push(await session.call('object.info', { fd }));
      } finally {
        await session.call('object.close', { fd });
      }
    }
  }
  return found;
}

const ENOENT = 2;

const orGone = <T>(call: Promise<T>): Promise<T | undefined> =>
  call.catch((error: unknown) => {
    if (error instanceof AnyBpfError && error.diagnostic.errno === ENOENT) return undefined;
    throw error;
  });

function addRows<T>(registry: Registry, rows: readonly Row<T>[], infos: readonly T[]): void {
  for (const { name, help, labels, sample, kind } of rows) {
    const metric = add(registry, kind, name, help, labels);
    for (const info of infos) {
      const found = sample(info);
      if (found !== undefined) metric.labels(found[0]).inc(found[1]);
    }
  }
}

interface Filled {
  labels(labels: Labels): { inc(by: number): void };
}

function add(
  registry: Registry,
  kind: 'gauge' | 'counter',
  name: string,
  help: string,
  labelNames: readonly string[] = [],
): Filled {
  const options = { name, help, labelNames: [...labelNames], registers: [registry] };
  const metric: Metric<string> = kind === 'gauge' ? new Gauge(options) : new Counter(options);
  return metric as unknown as Filled;
}

/** Objects of a context as Prometheus text, by any session with the role `read`. */
export async function objectMetrics(session: Session, registry = new Registry()): Promise<string> {
  const found = await everything(session);
  addRows(registry, PROGRAM_ROWS, found.get('prog') as ProgramInfo[]);
  addRows(registry, MAP_ROWS, found.get('map') as MapInfo[]);
  addRows(registry, LINK_ROWS, found.get('link') as LinkInfo[]);
  const objects = add(registry, 'gauge', 'anybpf_objects', 'Objects by kind', ['kind']);
  for (const [kind, infos] of found) objects.labels({ kind }).inc(infos.length);
  return registry.metrics();
}

interface Requests {
  done: number;
  refused: number;
  seconds: number;
}

/** What a service counts of itself. Counting takes some nanoseconds a request; the text is made when somebody asks. */
export class ServiceCounts implements Required<Omit<ServiceObserver, 'stopping'>> {
  readonly #requests = new Map<string, Requests>();
  readonly #roles = new Map<number, string>();
  #connections = 0;
  readonly #refused = new Map<string, number>();
  #dropped = 0;
  #failed = 0;

  // Observers are called as they are.
  readonly connected: NonNullable<ServiceObserver['connected']> = (connection, { role }) => {
    this.#connections++;
    this.#roles.set(connection, role);
  };

  readonly disconnected: NonNullable<ServiceObserver['disconnected']> = (connection) => {
    this.#roles.delete(connection);
  };

  readonly refused: NonNullable<ServiceObserver['refused']> = (_peer, { code }) => {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  };

  readonly called: NonNullable<ServiceObserver['called']> = (_connection, method, milliseconds, finding) => {
    // Methods that there are not would be as many names as clients like.
    const name = finding?.code === 'service/method' ? 'unknown' : method;
    let counts = this.#requests.get(name);
    if (counts === undefined) this.#requests.set(name, (counts = { done: 0, refused: 0, seconds: 0 }));
    if (finding === undefined) counts.done++;
    else counts.refused++;
    counts.seconds += milliseconds / 1000;
  };

  readonly dropped: NonNullable<ServiceObserver['dropped']> = (_connection, events) => {
    this.#dropped += events;
  };

  readonly failed: NonNullable<ServiceObserver['failed']> = () => {
    this.#failed++;
  };

  addTo(registry: Registry): void {
    const roles = add(registry, 'gauge', 'anybpf_connections', 'Connections by role', ['role']);
    for (const role of this.#roles.values()) roles.labels({ role }).inc(1);
    const total = add(registry, 'counter', 'anybpf_connections_total', 'Connections since the start');
    total.labels({}).inc(this.#connections);
    const refused = add(
      registry,
      'counter',
      'anybpf_connections_refused_total',
      'Connections that were refused or ended',
      ['code'],
    );
    for (const [code, count] of this.#refused) refused.labels({ code }).inc(count);
    const requests = add(registry, 'counter', 'anybpf_requests_total', 'Requests by method and outcome', [
      'method',
      'outcome',
    ]);
    const seconds = add(registry, 'counter', 'anybpf_request_seconds_total', 'Time that requests took', ['method']);
    for (const [method, counts] of this.#requests) {
      requests.labels({ method, outcome: 'done' }).inc(counts.done);
      requests.labels({ method, outcome: 'refused' }).inc(counts.refused);
      seconds.labels({ method }).inc(counts.seconds);
    }
    add(registry, 'counter', 'anybpf_events_dropped_total', 'Events that slow readers did not get')
      .labels({})
      .inc(this.#dropped);
    add(registry, 'counter', 'anybpf_failures_total', 'Errors of AnyBPF itself').labels({}).inc(this.#failed);
    const { rss } = process.memoryUsage();
    add(registry, 'gauge', 'process_resident_memory_bytes', 'Resident memory').labels({}).inc(rss);
    const { user, system } = process.cpuUsage();
    add(registry, 'counter', 'process_cpu_seconds_total', 'Processor time')
      .labels({})
      .inc((user + system) / 1e6);
    const begun = Date.now() / 1000 - process.uptime();
    add(registry, 'gauge', 'process_start_time_seconds', 'Start, in seconds since the epoch').labels({}).inc(begun);
  }
}

/** Everything that a service has to say, as Prometheus text. */
export async function serviceMetrics(session: Session, counts: ServiceCounts): Promise<string> {
  const registry = new Registry();
  counts.addTo(registry);
  return objectMetrics(session, registry);
}
