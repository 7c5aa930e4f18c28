// The engines that comparisons with the kernel run: the default, or those that ANYBPF_ENGINES names
// (`ANYBPF_ENGINES=interpret,compile`; `all` for every one).
import { DEFAULT_ENGINE, ENGINE_CHOICES } from '../../src/run/engines.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';

export function enginesUnderTest(): readonly EngineChoice[] {
  const wanted = process.env['ANYBPF_ENGINES'];
  if (wanted === undefined || wanted === '') return [DEFAULT_ENGINE];
  const known = Object.keys(ENGINE_CHOICES) as EngineChoice[];
  const chosen = known.filter((name) => wanted === 'all' || wanted.split(',').includes(name));
  if (chosen.length === 0) throw new Error(`ANYBPF_ENGINES=${wanted} names none of ${known.join(', ')}`);
  return chosen;
}
