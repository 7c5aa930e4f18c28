// `prog dump`: the instructions of a program in the verifier's language, or the code that was made of them.
import { writeFile } from 'node:fs/promises';
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { Btf } from '../../btf/btf.ts';
import { builtInPlatform } from '../../hosts/platform.ts';
import { type DisassembledLine, disassembleLines } from '../../isa/disassembler.ts';
import { SLOT_SIZE, slotsOf } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import type { ProgramInfo, Result } from '../../spec/session.ts';
import { btfOf } from './btf-objects.ts';
import type { Words } from './arguments.ts';
import { refuse, refuseFile, said } from './errors.ts';
import { type Opened, programsOf } from './objects.ts';
import { type Answer, DONE, hexByte, hexJson, hexText, type Json } from './output.ts';
import { visualText } from './prog-visual.ts';
import { prototypeOf } from './prototype.ts';
import { type Tool, usage } from './tool.ts';

type Code = Result<'prog.code'>;
type Part = 'xlated' | 'jited';
type Form = { readonly file: string } | 'opcodes' | 'visual' | 'linum' | undefined;

function formOf(words: Words, part: Part): Form {
  if (words.left === 0) return undefined;
  if (words.skip('file')) {
    if (words.left === 0) fail(wrongWords({}, 'expected file path'));
    return { file: words.take() };
  }
  const form = (['opcodes', 'visual', 'linum'] as const).find((word) => words.skip(word));
  if (form === undefined) return usage();
  if (form === 'visual' && part === 'jited') fail(wrongWords({}, "'visual' is not compatible with 'jited'"));
  return form;
}

export async function dumpProgram(tool: Tool, words: Words): Promise<Answer> {
  const part = words.skip('jited') ? 'jited' : words.skip('xlated') ? 'xlated' : undefined;
  if (part === undefined) return fail(wrongWords({}, `expected 'xlated' or 'jited', got: ${words.next ?? ''}`));
  if (words.left < 2) return usage();
  const programs = await programsOf(tool, words);
  const form = formOf(words, part);
  if (words.left > 0) return usage();
  if (programs.length > 1 && typeof form === 'object') {
    refuse('several programs match this handle, file and visual need one');
  }
  const answers: Answer[] = [];
  for (const program of programs) answers.push(await dumpOne(tool, program, part, form));
  if (answers.length === 1) return answers[0];
  return {
    json: () =>
      programs.map(({ info }, i) => ({
        id: info.id,
        type: info.type,
        name: info.name,
        insns: answers[i].json() ?? null,
      })),
    text: () =>
      programs.map(({ info }, i) => `${info.id}: ${info.type}  name ${info.name}\n${answers[i].text()}`).join('\n'),
  };
}

async function dumpOne(tool: Tool, { fd, info }: Opened<ProgramInfo>, part: Part, form: Form): Promise<Answer> {
  const code = await said(tool.call('prog.code', { fd }), (why) => `can't get prog info: ${why}`, -1);
  if (part === 'jited') return dumpJited(code, form);
  if (code.xlated.length === 0) return { ...DONE, notes: 'no instructions returned\n' };
  if (typeof form === 'object') return save(form.file, code.xlated);
  const listing = new Listing(tool, info, code, await btfOf(tool, info.btfId));
  if (form === 'visual') return { json: () => null, text: () => listing.visual() };
  return { json: () => listing.json(form), text: () => listing.text(form) };
}

/** The code is a module of WebAssembly: tools that show those are elsewhere. */
function dumpJited(code: Code, form: Form): Promise<Answer> | Answer {
  if (code.jited === undefined) return { ...DONE, notes: 'no instructions returned\n' };
  if (typeof form === 'object') return save(form.file, code.jited);
  return refuse('the code is WebAssembly, which is not disassembled here: save it with "file FILE"');
}

async function save(file: string, bytes: Uint8Array): Promise<Answer> {
  await writeFile(file, bytes, { mode: 0o600 }).catch((error: NodeJS.ErrnoException) =>
    refuseFile(`can't open file ${file}`, error),
  );
  return DONE;
}

type ListingForm = 'opcodes' | 'linum' | undefined;

/** The instructions of one program with everything that is known of them. */
class Listing {
  readonly #code: Code;
  readonly #lines: readonly DisassembledLine[];
  readonly #sources: ReadonlyMap<number, Code['lines'][number]>;
  readonly #prototypes: ReadonlyMap<number, string>;

  constructor(tool: Tool, info: ProgramInfo, code: Code, btf: Btf | undefined) {
    this.#code = code;
    this.#sources = new Map(code.lines.map((line) => [line.slot, line]));
    const functions = new Map(code.functions.map(({ slot, name }) => [slot, name]));
    this.#prototypes = new Map(
      btf === undefined
        ? []
        : code.functions.flatMap(({ slot, name }): [number, string][] => {
            const text = prototypeOf(btf, name);
            return text === undefined ? [] : [[slot, text]];
          }),
    );
    const platform = builtInPlatform(tool.options.dialect);
    this.#lines = disassembleLines(
      code.xlated,
      {
        style: 'kernel',
        mapName: (insn) => `id:${insn.imm}`,
        helperName: (number) => {
          const name = platform.helperName(number, info.type);
          return name === undefined ? undefined : `bpf_${name}`;
        },
        symbolName: (insn, _, target) => {
          const name = target === undefined ? undefined : functions.get(target);
          if (name === undefined || insn.op !== 'call_local') return name;
          return `pc${insn.imm < 0 ? '' : '+'}${insn.imm}#${name}`;
        },
      },
      { program: info.name },
    );
  }

  json(form: ListingForm): Json {
    return this.#lines.map((line) => {
      const source = this.#sources.get(line.slot);
      return {
        proto: this.#prototypes.get(line.slot),
        ...(source === undefined
          ? {}
          : {
              src: source.text.trimStart(),
              ...(form === 'linum'
                ? {
                    file: source.file,
                    line_num: source.line === 0 ? undefined : source.line,
                    line_col: source.column === 0 ? undefined : source.column,
                  }
                : {}),
            }),
        disasm: disasm(line),
        ...(form === 'opcodes' ? { opcodes: this.#opcodes(line) } : {}),
      };
    });
  }

  text(form: ListingForm): string {
    let out = '';
    for (const line of this.#lines) {
      const prototype = this.#prototypes.get(line.slot);
      if (prototype !== undefined) out += `${prototype}:\n`;
      const source = this.#sources.get(line.slot);
      if (source !== undefined) {
        const place =
          form === 'linum' ? ` [file:${source.file} line_num:${source.line} line_col:${source.column}]` : '';
        out += `; ${source.text.trimStart()}${place}\n`;
      }
      out += `${String(line.slot).padStart(4)}: ${disasm(line)}\n`;
      if (form === 'opcodes') out += `       ${hexText(this.#bytes(line)).replaceAll('  ', ' ')}\n`;
    }
    return out;
  }

  visual(): string {
    const texts = new Map(this.#lines.map((line) => [line.slot, disasm(line).replace(/(call pc[+-]\d+)#.*/, '$1')]));
    return visualText(this.#code.xlated, (slot) => texts.get(slot) ?? '');
  }

  #bytes({ slot, insn }: DisassembledLine): Uint8Array {
    return this.#code.xlated.subarray(slot * SLOT_SIZE, (slot + slotsOf(insn.op)) * SLOT_SIZE);
  }

  /** Fields of struct bpf_insn; of a wide instruction the immediate goes on through the second slot. */
  #opcodes(line: DisassembledLine): Json {
    const bytes = this.#bytes(line);
    return {
      code: `0x${hexByte(bytes[0])}`,
      src_reg: `0x${(bytes[1] >> 4).toString(16)}`,
      dst_reg: `0x${(bytes[1] & 15).toString(16)}`,
      off: hexJson(bytes.subarray(2, 4)),
      imm: hexJson(bytes.subarray(4)),
    };
  }
}

const disasm = ({ insn, text }: DisassembledLine): string => `(${hexByte(OPS[insn.op].opcode)}) ${text}`;
