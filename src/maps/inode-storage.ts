import { localStorageRow } from './local-storage.ts';

/** BPF_MAP_TYPE_INODE_STORAGE. */
export const inodeStorage = localStorageRow('inode_storage', 'inode');
