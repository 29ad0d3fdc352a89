/** What `npm run e2e:deploy` did, step by step, for whoever reads along. */

/** One line past the test runner, which would put a stack trace below it. */
export function tell(text: string): void {
  process.stderr.write(`${text.replace(/^/gm, '  | ')}\n`)
}
