// Errors as JSON-RPC carries them: the diagnostic is data, so that the other side raises the same.
import { ResponseError } from 'vscode-jsonrpc/node';
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { internalError } from '../base/messages/service.ts';
import { type ErrorData, RPC_ERRORS } from './protocol.ts';

/** The error's number in JSON-RPC, by the message's code; all others are refusals. */
const NUMBERS: Readonly<Record<string, number>> = {
  'service/method': RPC_ERRORS.noMethod,
  'service/params': RPC_ERRORS.badParams,
  'service/internal': RPC_ERRORS.internal,
};

export const toResponse = (diagnostic: Diagnostic): ResponseError<ErrorData> =>
  new ResponseError(NUMBERS[diagnostic.code] ?? RPC_ERRORS.refused, diagnostic.message, { diagnostic });

const isDiagnostic = (value: unknown): value is Diagnostic =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Diagnostic).code === 'string' &&
  typeof (value as Diagnostic).message === 'string' &&
  typeof (value as Diagnostic).place === 'object';

/** The error that the other side raised. */
export function fromResponse(error: ErrorMessage['error']): AnyBpfError {
  const data = error.data as Partial<ErrorData> | undefined;
  const diagnostic = isDiagnostic(data?.diagnostic) ? data.diagnostic : internalError({}, error.message);
  return new AnyBpfError(diagnostic, { cause: error });
}

/** An error that answers no request: why the connection ends. */
export interface ErrorMessage {
  readonly jsonrpc: '2.0';
  readonly id: null;
  readonly error: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export const errorMessage = (diagnostic: Diagnostic): ErrorMessage => {
  const { code, message, data } = toResponse(diagnostic);
  return { jsonrpc: '2.0', id: null, error: { code, message, data } };
};

export const isErrorMessage = (message: unknown): message is ErrorMessage => {
  const { id, error } = (message ?? {}) as Partial<ErrorMessage>;
  return id === null && typeof error === 'object' && typeof error.message === 'string';
};
