// Messages of compiling ahead of time. What the loader beside a module says stands in aot/loader.ts, which imports nothing.
import { message } from '../diagnostic.ts';

export const noPrograms = message('aot/no-programs', () => 'the object has no program that can be compiled');
