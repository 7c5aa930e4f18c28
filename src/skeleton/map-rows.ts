// How each kind of map is declared in a generated skeleton.
import type { Session } from '../spec/session.ts';
import type { Codec } from './codec.ts';
import { AnyMap, BloomMap, ObjectMap, PerCpuMap, SequenceMap, ValueMap } from './maps.ts';
import { RingMap, UserRingMap } from './rings.ts';

/** A map of a skeleton. */
export interface MapRow<M extends AnyMap> {
  /** Its name in the object, where that is another. */
  readonly map?: string;
  open(session: Session, name: string, fd: number | undefined): M;
}

/** One value for each key. */
export const valueMap = <K, KI, V, VI>(key: Codec<K, KI>, value: Codec<V, VI>): MapRow<ValueMap<K, KI, V, VI>> => ({
  open: (session, name, fd) => new ValueMap(session, name, fd, key, value),
});

/** A value for each key and CPU. */
export const perCpuMap = <K, KI, V, VI>(key: Codec<K, KI>, value: Codec<V, VI>): MapRow<PerCpuMap<K, KI, V, VI>> => ({
  open: (session, name, fd) => new PerCpuMap(session, name, fd, key, value),
});

/** Queues and stacks. */
export const sequenceMap = <V, VI>(value: Codec<V, VI>): MapRow<SequenceMap<V, VI>> => ({
  open: (session, name, fd) => new SequenceMap(session, name, fd, value),
});

export const bloomMap = <VI>(value: Codec<unknown, VI>): MapRow<BloomMap<VI>> => ({
  open: (session, name, fd) => new BloomMap(session, name, fd, value),
});

/** Maps of programs or maps. */
export const objectMap = <K, KI>(key: Codec<K, KI>): MapRow<ObjectMap<K, KI>> => ({
  open: (session, name, fd) => new ObjectMap(session, name, fd, key),
});

/** Ring buffers and perf event arrays. */
export const ringMap = (): MapRow<RingMap> => ({ open: (session, name, fd) => new RingMap(session, name, fd) });

export const userRingMap = (): MapRow<UserRingMap> => ({
  open: (session, name, fd) => new UserRingMap(session, name, fd),
});

/** Maps that applications have no elements of. */
export const opaqueMap = (): MapRow<AnyMap> => ({ open: (session, name, fd) => new AnyMap(session, name, fd) });

/** A map whose name in the object is no name here. */
export const named = <M extends AnyMap>(map: string, row: MapRow<M>): MapRow<M> => ({ ...row, map });
