/**
 * What a row of the route table says. Server, typed client, CLI and OpenAPI all read the same rows.
 */
import type { z } from 'zod'
import type { ProblemCode } from './problem.ts'

/**
 * A JSON answer with its schema, an answer of another media type, or one without a body. `onWish` is what else
 * there is for those who ask for it (Accept).
 */
export type RouteAnswer =
  | { readonly description: string; readonly schema: z.ZodType; readonly onWish?: string }
  | { readonly description: string; readonly mediaType: string; readonly onWish?: string }
  | { readonly description: string }

/** Conditional and idempotency headers a route understands. */
export type RouteHeader = 'If-Match' | 'If-None-Match' | 'Idempotency-Key' | 'Last-Event-ID'

/** One row of the table. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** With `{name}` for each parameter, as in OpenAPI. */
  readonly path: string
  readonly group: 'state' | 'sync' | 'health' | 'node'
  readonly summary: string
  /** `admin` needs the token, or a loopback caller of a loopback listener. */
  readonly auth: 'open' | 'admin'
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  /** Media types of a body that is bytes and no JSON, any one of them. */
  readonly bytes?: readonly string[]
  readonly headers?: readonly RouteHeader[]
  /** Status → answer; problem answers are listed in `problems`. */
  readonly answers: Readonly<Record<number, RouteAnswer>>
  readonly problems: readonly ProblemCode[]
  /** Codes that this call answers with another status than all others do. */
  readonly statuses?: Partial<Record<ProblemCode, number>>
  /**
   * The parameter that moves from the path to the query when it is `.`, `..` or empty: URL parsers drop such
   * segments, percent-encoded or not.
   */
  readonly unsafeSegment?: string
}

/** Keeps the exact type of a row while checking it. */
export function defineRoute<const R extends Route>(route: R): R {
  return route
}

type Input<S> = S extends z.ZodType ? z.input<S> : never

/** What the caller of a route passes. */
export type RouteInput<R extends Route> = (R extends { params: infer S } ? { params: Input<S> } : unknown) &
  (R extends { query: infer S }
    ? Record<never, never> extends Input<S>
      ? { query?: Input<S> }
      : { query: Input<S> }
    : unknown) &
  (R extends { body: infer S } ? { body: Input<S> } : unknown) & {
    /** Only if the key has this version (16 hex digits), or `*`: only if it exists. */
    readonly ifMatch?: string
    /** `*`: only if the key does not exist. On reads: the ETag (without quotes) already known. */
    readonly ifNoneMatch?: string
    readonly idempotencyKey?: string
    readonly signal?: AbortSignal
  }

type Parsed<R, K extends string> =
  R extends Record<K, infer S> ? (S extends z.ZodType ? z.output<S> : undefined) : undefined

/** What the server's handler of a route gets, after validation. */
export interface RouteRequest<R extends Route> {
  readonly params: Parsed<R, 'params'>
  readonly query: Parsed<R, 'query'>
  readonly body: Parsed<R, 'body'>
}

type AnswerBody<A> = A extends { schema: infer S extends z.ZodType }
  ? z.output<S>
  : A extends { mediaType: string }
    ? string
    : never

/** What a route answers: the union over its declared answers. */
export type RouteResult<R extends Route> = AnswerBody<R['answers'][keyof R['answers']]>
