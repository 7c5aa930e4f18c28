export * from '../../src/hosts/linux/native.ts';
