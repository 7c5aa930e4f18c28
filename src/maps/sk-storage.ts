import { localStorageRow } from './local-storage.ts';

/** BPF_MAP_TYPE_SK_STORAGE. */
export const skStorage = localStorageRow('sk_storage', 'socket');
