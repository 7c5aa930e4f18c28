// What live interfaces refuse, and what ends them.
import { type Diagnostic, message, type Place } from '../diagnostic.ts';

const withErrno = (finding: Diagnostic, errno: number): Diagnostic => ({ ...finding, errno });

const EINVAL = 22;
const EBUSY = 16;
const ENODEV = 19;
const ENOTSUP = 95;

export const noNative = (place: Place, why: string): Diagnostic =>
  withErrno(
    message('live/no-native', () => `packets of a live interface are out of reach: ${why}`, {
      hint: 'live interfaces need Linux and the optional package koffi',
    })(place),
    ENOTSUP,
  );

export const noDevice = (place: Place, device: string): Diagnostic =>
  withErrno(message('live/no-device', () => `there is no network interface ${device}`)(place), ENODEV);

/** A step of opening a driver. */
export const cannotOpen = (
  place: Place,
  driver: string,
  device: string,
  step: string,
  errno: number,
  why: string,
): Diagnostic =>
  withErrno(
    message('live/open', () => `${driver} cannot open ${device}: ${step} failed: ${why}`, {
      hint: 'packet sockets need the capability CAP_NET_RAW, bpf(2) CAP_BPF and CAP_NET_ADMIN; another driver may need less',
    })(place),
    errno,
  );

export const notFor = (place: Place, driver: string, device: string, why: string): Diagnostic =>
  withErrno(message('live/not-for', () => `${driver} is not for ${device}: ${why}`)(place), EINVAL);

export const alreadyLive = (place: Place, device: string, driver: string): Diagnostic =>
  withErrno(message('live/busy', () => `${device} is live already, by ${driver}`)(place), EBUSY);

export const notLive = (place: Place, device: string): Diagnostic =>
  withErrno(message('live/not-live', () => `${device} is not live`)(place), ENODEV);

export const deviceGone = message(
  'live/gone',
  (device: string, why: string) => `${device} is gone: ${why}; no packet comes from it any more`,
);

export const deviceDown = message(
  'live/down',
  (device: string) => `${device} is down; packets come again when it is up`,
);
