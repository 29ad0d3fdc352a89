/** `npm run docs`: writes the generated documents; with `--check` only says which of them are out of date. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generatedDocuments } from './generated-documents.ts'
import { readTree, root } from './tidy/tree.ts'

const check = process.argv.includes('--check')
const tree = readTree()
for (const [path, text] of await generatedDocuments(tree)) {
  if (tree.get(path) === text) continue
  if (check) {
    console.log(`${path}:1 is out of date; run "npm run docs"`)
    process.exitCode = 1
    continue
  }
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  console.log(`wrote ${path}`)
}
