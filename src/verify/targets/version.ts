/** What the tables call anything that is as old as this or older. */
export const OLDEST_LINUX = '5.15';

/** Versions in their order: 6.10 is after 6.9. */
export function versionOrder(version: string): number {
  const [major, minor] = version.split('.').map(Number);
  return major * 1000 + minor;
}
