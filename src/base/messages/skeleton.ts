// What skeletons of objects refuse: values that do not fit their types, and objects that no skeleton can be made of.
import { message } from '../diagnostic.ts';

export const badValue = message(
  'skeleton/value',
  (path: string, why: string) => `${path === '' ? 'the value' : path} ${why}`,
);

export const otherObject = message(
  'skeleton/object',
  (name: string) => `these are not the bytes that the skeleton of ${name} was made of`,
  { hint: 'make the skeleton again: anybpf gen skeleton' },
);

export const noObject = message(
  'skeleton/object',
  (name: string) => `the skeleton of ${name} needs the object's bytes`,
  {
    hint: 'open(bytes), or make the skeleton without the word external',
  },
);

export const notLoaded = message(
  'skeleton/not-loaded',
  (what: string, name: string) => `${what} ${name} was not loaded`,
);

export const noAttachType = message(
  'skeleton/attach',
  (name: string, section: string) => `the section "${section}" does not say what ${name} is attached to`,
  { hint: 'give attachType' },
);

export const cannotGenerate = message('skeleton/generate', (why: string) => `no skeleton can be made: ${why}`);
