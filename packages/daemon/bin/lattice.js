#!/usr/bin/env node
// The `lattice` command. Checks the Node version before anything modern is loaded, then hands over to the
// CLI.
const [major] = process.versions.node.split('.').map(Number)
if (major < 24) {
  process.stderr.write(
    `lattice needs Node 24 or later; this is ${process.versions.node} (${process.execPath}).\n` +
      'Run it through npm in the checkout (npx lattice …, npm start), which brings its own Node 24.\n',
  )
  process.exit(78)
}
const program = new URL('../src/command-line.ts', import.meta.url)
if (program.pathname.endsWith('.ts')) {
  // From the sources, half of a short command's time is the stripping of types: Node keeps what comes out.
  // Among the checkout's own files, where nobody else can put code; without leave to write it does nothing.
  const { enableCompileCache } = await import('node:module')
  const { fileURLToPath } = await import('node:url')
  const kept = enableCompileCache(
    fileURLToPath(new URL('../../../node_modules/.cache/lattice', import.meta.url)),
  )
  // The threads and the daemons of `lattice up` take it from here.
  if (kept.directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= kept.directory
}
const { main } = await import(program)
await main(process.argv.slice(2))
