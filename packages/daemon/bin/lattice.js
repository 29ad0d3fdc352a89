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
const { main } = await import('../src/command-line.ts')
await main(process.argv.slice(2))
