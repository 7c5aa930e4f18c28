// Epochs: nothing is given back while a reader from before remains, and all is once none does.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Epoch, Epochs } from '../../src/context/hooks/epochs.ts';

describe('an epoch', () => {
  test('gives back at once where nobody reads', () => {
    const freed: string[] = [];
    new Epochs().defer(() => freed.push('a'));
    expect(freed).toEqual(['a']);
  });

  test('waits for readers from before, not for those that come after', () => {
    const epochs = new Epochs();
    const freed: string[] = [];
    const before = epochs.enter();
    epochs.defer(() => freed.push('a'));
    const after = epochs.enter();
    epochs.defer(() => freed.push('b'));
    expect(freed).toEqual([]);
    epochs.leave(before);
    expect(freed).toEqual(['a']);
    epochs.leave(after);
    expect(freed).toEqual(['a', 'b']);
    expect(epochs.running).toBe(false);
  });

  test('is left once', () => {
    const epochs = new Epochs();
    const epoch = epochs.enter();
    epochs.leave(epoch);
    expect(() => epochs.leave(epoch)).toThrow('left already');
  });

  test('what is given back may retire more', () => {
    const epochs = new Epochs();
    const freed: string[] = [];
    epochs.run(() => epochs.defer(() => epochs.defer(() => freed.push('inner'))));
    expect(freed).toEqual(['inner']);
  });

  test('synchronize waits for the runs that had begun, also over an await', async () => {
    const epochs = new Epochs();
    const run = epochs.enter();
    let done = false;
    const waiting = epochs.synchronize().then(() => {
      done = true;
    });
    const later = epochs.enter();
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(done).toBe(false);
    epochs.leave(run);
    await waiting;
    expect(done).toBe(true);
    epochs.leave(later);
    await epochs.synchronize();
  });
});

const step = fc.oneof(
  fc.constant({ kind: 'enter' as const }),
  fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }),
  fc.constant({ kind: 'defer' as const }),
);

test('any schedule: an item is freed exactly when the last reader from before it has left', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const epochs = new Epochs();
      const readers: { readonly epoch: Epoch; readonly since: number }[] = [];
      const items: { readonly at: number; freed: boolean }[] = [];
      const due = (at: number): boolean => readers.every(({ since }) => since > at);
      const check = (): void => {
        for (const item of items) expect(item.freed).toBe(due(item.at));
      };
      steps.forEach((one, time) => {
        if (one.kind === 'enter') readers.push({ epoch: epochs.enter(), since: time });
        else if (one.kind === 'leave' && readers.length > 0) {
          const [reader] = readers.splice(one.which % readers.length, 1);
          epochs.leave(reader.epoch);
        } else if (one.kind === 'defer') {
          const item = { at: time, freed: false };
          items.push(item);
          epochs.defer(() => {
            expect(item.freed).toBe(false);
            item.freed = true;
          });
        }
        // Once freed stays freed: an item is due when its readers have left, whoever comes after.
        check();
      });
      for (const { epoch } of readers.splice(0)) epochs.leave(epoch);
      check();
    }),
    { numRuns: 500 },
  );
});
