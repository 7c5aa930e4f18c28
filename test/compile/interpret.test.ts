import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { testCheckedEngine } from './checked-engine.ts';

testCheckedEngine(interpretBackend);
