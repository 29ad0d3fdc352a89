/** The answers that are given thousands of times a second: one head, one text, one write to the socket. */
import type { Response } from 'express'

/** Answers 200 with `body` as JSON. */
export function sendJson(
  response: Response,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJsonText(response, JSON.stringify(body), headers)
}

/** The same with the JSON text in hand. */
export function sendJsonText(
  response: Response,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(text)),
    ...headers,
  })
  response.end(text)
}
