import type { Btf } from '../btf/btf.ts';
import type { BtfInfo, Id } from '../spec/session.ts';
import { ContextObject } from './objects.ts';

/** BTF of an object or of an application. */
export class ContextBtf extends ContextObject<'btf'> {
  readonly kind = 'btf';
  readonly name: string;
  readonly types: Btf;
  readonly bytes: Uint8Array;
  readonly kernel: boolean;
  /** Objects that have it. */
  readonly programs = new Set<Id>();
  readonly maps = new Set<Id>();

  constructor(id: Id, name: string, types: Btf, bytes: Uint8Array, kernel = false) {
    super(id);
    this.name = name;
    this.types = types;
    this.bytes = bytes;
    this.kernel = kernel;
  }

  info(): BtfInfo {
    const { kind, id, name, kernel } = this;
    return { kind, id, name, size: this.bytes.length, kernel, progIds: [...this.programs], mapIds: [...this.maps] };
  }
}
