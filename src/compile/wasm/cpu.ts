// What takes a load or a store: the CPU of the run, and spin locks where no other run can hold one.
import type { Intrinsic } from './intrinsics.ts';

/** bpf_get_smp_processor_id() */
export const cpuNumber: Intrinsic = (site) => {
  site.e.i32(0).memory('i64.load32_u', site.cpu);
  site.setR0();
  return true;
};

const LOCK_SIZE = 4;

const setLock =
  (state: number): Intrinsic =>
  (site) => {
    if (!site.exclusive) return false;
    const { e } = site;
    site.orHost((host) => {
      site.pushAddress(1, LOCK_SIZE, 'write', host);
      e.i32(state).memory('i32.store').i64Small(0);
      site.setR0();
    });
    return true;
  };

/** bpf_spin_lock(lock), bpf_spin_unlock(lock) */
export const spinLock = setLock(1);
export const spinUnlock = setLock(0);
