// The objects of bpftool's grammar, in its order: of several that a short word begins, the first counts.
import { mapGroup } from './map.ts';
import { progGroup } from './prog.ts';
import type { Group } from './tool.ts';

export const GROUPS: readonly Group[] = [progGroup, mapGroup];
