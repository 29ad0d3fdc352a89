/** Text of any length as it comes, line by line: a runtime holds no text beyond some hundred megabytes. */

/** The lines, without their line feeds; ends with an error at one of more than `charsMax`. */
export async function* readLines(body: ReadableStream<Uint8Array>, charsMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    // What has come of a long line before is not looked at again.
    const [first = '', ...more] = decoder.decode(chunk, { stream: true }).split('\n')
    rest += first
    for (const next of more) {
      yield rest
      rest = next
    }
    if (rest.length > charsMax) throw new RangeError(`a line exceeds ${charsMax} characters`)
  }
  if (rest !== '') yield rest
}
