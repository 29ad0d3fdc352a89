/** Short forms for the answers in rows of the route table. */
import type { z } from 'zod'

/** A JSON answer of a row. */
export const json = <S extends z.ZodType>(
  description: string,
  schema: S,
): { description: string; schema: S } => ({ description, schema })

/** An answer of another media type. */
export const text = (description: string, mediaType: string): { description: string; mediaType: string } => ({
  description,
  mediaType,
})

/** An answer without a body. */
export const nothing = (description: string): { description: string } => ({ description })
