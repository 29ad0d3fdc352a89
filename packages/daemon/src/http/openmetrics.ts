/**
 * OpenMetrics text from Prometheus text. prom-client can print it too, but renames its counters while doing
 * so, and the next plain scrape would see the wrong names.
 */

const typeLine = /^# TYPE (\S+) (\S+)$/gm

/**
 * Rewrites one exposition: counter families lose `_total`, their samples have it, blank lines go, `# EOF`
 * ends it.
 */
export function toOpenMetrics(text: string): string {
  const counters = new Set(
    [...text.matchAll(typeLine)].flatMap(([, name, type]) => (type === 'counter' ? name : [])),
  )
  const lines = text.split('\n').flatMap(line => {
    if (line === '') return []
    const meta = /^(# (?:HELP|TYPE) )(\S+)( .*)$/.exec(line)
    if (meta) {
      const [, start, name = '', rest] = meta
      return [counters.has(name) ? `${start}${name.replace(/_total$/, '')}${rest}` : line]
    }
    const end = line.search(/[{ ]/)
    const name = line.slice(0, end)
    return [counters.has(name) && !name.endsWith('_total') ? `${name}_total${line.slice(end)}` : line]
  })
  return `${lines.join('\n')}\n# EOF\n`
}
