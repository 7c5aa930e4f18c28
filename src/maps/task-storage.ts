import { localStorageRow } from './local-storage.ts';

/** BPF_MAP_TYPE_TASK_STORAGE. */
export const taskStorage = localStorageRow('task_storage', 'task');
