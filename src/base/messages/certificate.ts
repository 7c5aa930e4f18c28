// Messages of the certificate checker.
import { message } from '../diagnostic.ts';

export const badCertificate = message(
  'verify/certificate',
  (why: string) => `the certificate does not show that the program may run: ${why}`,
  { hint: 'verify the program again' },
);

export const staleCertificate = message(
  'verify/certificate-stale',
  () => 'the certificate is not one of this program with these maps on this platform',
  { hint: 'verify the program again' },
);
