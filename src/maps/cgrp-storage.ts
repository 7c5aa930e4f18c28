import { localStorageRow } from './local-storage.ts';

/** BPF_MAP_TYPE_CGRP_STORAGE. */
export const cgrpStorage = localStorageRow('cgrp_storage', 'cgroup');
