export * from '../../src/hosts/linux/kernel-object.ts';
