/**
 * `npm run wrap -- FILE…` (or `--all`): wraps comments that are wider than a line may be. Prettier wraps code and leaves comments
 * alone; this is for the rest. Lists keep their hang; tables, drawings and code in comments stay as they are.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { columnsMax } from './tidy/form.ts'
import { isSource, readTree, root } from './tidy/tree.ts'
import { wrapComments } from './wrapped-comments.ts'

const asked = process.argv.slice(2)
if (asked.length === 0) {
  // An empty list (say, from a `find` that found nothing) must not mean everything.
  console.error('name the files to wrap, or --all for every source of the checkout')
  process.exit(64)
}
const all = () => [...readTree().keys()].filter(isSource).map(path => join(root, path))
const files = asked.includes('--all') ? all() : asked
for (const file of files) {
  const text = readFileSync(file, 'utf8')
  const wrapped = wrapComments(text, columnsMax)
  if (wrapped === text) continue
  writeFileSync(file, wrapped)
  console.log(`wrapped ${file}`)
}
