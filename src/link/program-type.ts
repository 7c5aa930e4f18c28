// Which functions are programs, and of what type.
import type { Diagnostic } from '../base/diagnostic.ts';
import { inferredType, unknownType } from '../base/messages/link.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import { type Evidence, evidenceIn } from './evidence.ts';
import { type CodeSection, type LinkFunction, TEXT_SECTION } from './functions.ts';
import type { LinkInput } from './input.ts';
import type { Reference } from './references.ts';
import { type SectionMatch, sectionRule, tailSlot } from './sections.ts';

/** One type for all programs, or types by program or section name. */
export type ProgramTypeOption = ProgramTypeName | Readonly<Record<string, ProgramTypeName>>;

export interface Entry {
  readonly fn: LinkFunction;
  readonly type: ProgramTypeName;
  /** The section's rule, where it has the same type. */
  readonly match?: SectionMatch;
  /** False for `?section`. */
  readonly autoload: boolean;
  readonly unsupported?: Diagnostic;
}

const bareName = (section: string): string => (section.startsWith('?') ? section.slice(1) : section);

/** Packet types, whose objects use names of their own the most. */
const UNNAMED_CANDIDATES: readonly ProgramTypeName[] = ['sched_cls', 'xdp'];

/**
 * A function is a program where libbpf says so: outside .text, or the only function of its object. Beyond that (Cilium,
 * and objects of functions without sections) a static function in a section of programs is one where no other
 * function refers to it; so is any function in a section of unknown name, and in .text where no other section has code.
 */
function isProgram(fn: LinkFunction, known: boolean, referred: ReadonlySet<LinkFunction>, onlyText: boolean): boolean {
  if (fn.sectionName !== TEXT_SECTION) return (known && !fn.static) || !referred.has(fn);
  return onlyText && !referred.has(fn);
}

function referredFunctions(references: ReadonlyMap<LinkFunction, readonly Reference[]>): Set<LinkFunction> {
  const referred = new Set<LinkFunction>();
  for (const [fn, list] of references) {
    for (const reference of list) {
      if ((reference.kind === 'call' || reference.kind === 'callback') && reference.target !== fn) {
        referred.add(reference.target);
      }
    }
  }
  return referred;
}

class Typing {
  readonly #input: LinkInput;
  readonly #sections: readonly CodeSection[];
  readonly #noted = new Set<string>();
  /** What the sections whose names leave the type open call, by candidates. */
  readonly #shared = new Map<string, Evidence | undefined>();
  /** The first section with a rule. */
  readonly #entry: CodeSection | undefined;

  constructor(input: LinkInput, sections: readonly CodeSection[]) {
    this.#input = input;
    this.#sections = sections;
    this.#entry = sections.find((s) => sectionRule(bareName(s.section.name), input.dialect) !== undefined);
  }

  #sharedEvidence(candidates: readonly ProgramTypeName[]): Evidence | undefined {
    const key = candidates.join();
    if (!this.#shared.has(key)) {
      const open = this.#sections.filter((s) => {
        const rule = sectionRule(bareName(s.section.name), this.#input.dialect)?.rule;
        return rule === undefined || rule.or !== undefined;
      });
      const functions = open.flatMap((s) => s.functions);
      this.#shared.set(key, evidenceIn(functions, candidates));
    }
    return this.#shared.get(key);
  }

  /** Own section first, then all whose names leave the type open. */
  infer(section: CodeSection, candidates: readonly ProgramTypeName[]): ProgramTypeName | undefined {
    const found = evidenceIn(section.functions, candidates) ?? this.#sharedEvidence(candidates);
    if (found !== undefined && !this.#noted.has(section.section.name)) {
      const { name } = section.section;
      this.#noted.add(name);
      this.#input.diagnostics.push(
        inferredType({ ...this.#input.place, section: name }, name, found.type, found.helper),
      );
    }
    return found?.type;
  }

  /** What the section's name says, made unambiguous. Undefined where it says nothing. */
  bySection(section: CodeSection): { type: ProgramTypeName; match?: SectionMatch } | undefined {
    const name = bareName(section.section.name);
    const match = sectionRule(name, this.#input.dialect);
    if (match !== undefined) {
      const { type, or } = match.rule;
      const chosen = or === undefined ? type : (this.infer(section, [type, ...or]) ?? type);
      return chosen === type ? { type, match } : { type: chosen };
    }
    // Tail calls have the type of the programs that call them.
    if (tailSlot(name) !== undefined && this.#entry !== undefined) return this.bySection(this.#entry);
    if (this.#input.dialect === 'windows') return undefined;
    const type = this.infer(section, UNNAMED_CANDIDATES);
    return type === undefined ? undefined : { type };
  }
}

const chosenType = (option: ProgramTypeOption | undefined, fn: LinkFunction): ProgramTypeName | undefined => {
  if (option === undefined || typeof option === 'string') return option;
  if (Object.hasOwn(option, fn.name)) return option[fn.name];
  return Object.hasOwn(option, fn.sectionName) ? option[fn.sectionName] : undefined;
};

/** The programs of the object, by section and place. */
export function findEntries(
  input: LinkInput,
  sections: readonly CodeSection[],
  references: ReadonlyMap<LinkFunction, readonly Reference[]>,
  option: ProgramTypeOption | undefined,
): Entry[] {
  const referred = referredFunctions(references);
  const typing = new Typing(input, sections);
  const onlyText = sections.every((s) => s.section.name === TEXT_SECTION);
  const entries: Entry[] = [];
  for (const section of sections) {
    const { name } = section.section;
    const known = sectionRule(bareName(name), input.dialect) !== undefined || tailSlot(bareName(name)) !== undefined;
    const programs = section.functions.filter((fn) => isProgram(fn, known, referred, onlyText));
    if (programs.length === 0) continue;
    const bySection = typing.bySection(section);
    for (const fn of programs) {
      const type = chosenType(option, fn) ?? bySection?.type ?? 'unspec';
      const place = { ...input.place, section: name, program: fn.name };
      entries.push({
        fn,
        type,
        ...(bySection?.match !== undefined && bySection.type === type ? { match: bySection.match } : {}),
        autoload: !name.startsWith('?'),
        ...(type === 'unspec' ? { unsupported: unknownType(place, name) } : {}),
      });
    }
  }
  return entries;
}
