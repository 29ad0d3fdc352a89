/**
 * What the rules need to know of one module, read from its syntax tree.
 *
 * Babel's parser (jest brings it) reads TypeScript with types and comments in place; TypeScript 7 has no API
 * for this.
 */
import { parse } from '@babel/parser'

/** One import, re-export, dynamic import, or string that names a source file. */
export interface Reference {
  readonly specifier: string
  readonly line: number
  /** path: a string that may name a file run on its own, such as a worker or a child process. */
  readonly kind: 'import' | 'dynamic' | 'path'
  /** Erased before it runs. */
  readonly typeOnly: boolean
}

/** One function with a body. */
export interface FunctionSize {
  readonly name: string
  readonly line: number
  readonly lines: number
  /** Its body is a list of tests: a suite, not a function that must fit on a screen. */
  readonly registersTests: boolean
}

/** One declaration that a module exports. */
export interface Exported {
  readonly name: string
  readonly line: number
  readonly documented: boolean
}

/** Syntax that Node's type stripping cannot erase, or that runs when the module is merely imported. */
export interface Statement {
  readonly what: string
  readonly line: number
}

/** One module as the rules see it. */
export interface Module {
  readonly references: readonly Reference[]
  readonly functions: readonly FunctionSize[]
  readonly exports: readonly Exported[]
  readonly unerasable: readonly Statement[]
  /** Statements that act on import. */
  readonly effects: readonly Statement[]
  /** Text of the first comment of the file, without its stars; undefined where there is none. */
  readonly head: string | undefined
}

interface Comment {
  readonly type: string
  readonly value: string
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } }
}

interface Syntax {
  readonly type: string
  readonly loc: Comment['loc']
  readonly leadingComments?: readonly Comment[]
  readonly [field: string]: unknown
}

const isSyntax = (value: unknown): value is Syntax =>
  typeof value === 'object' && value !== null && 'type' in value && 'loc' in value

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)

function children(node: Syntax): Syntax[] {
  return Object.entries(node)
    .filter(([field]) => !field.endsWith('Comments') && field !== 'loc')
    .flatMap(([, value]) => (isList(value) ? value : [value]))
    .filter(isSyntax)
}

function* walk(node: Syntax, parent?: Syntax): Generator<readonly [Syntax, Syntax | undefined]> {
  yield [node, parent]
  for (const child of children(node)) yield* walk(child, node)
}

const nodeIn = (node: Syntax, field: string): Syntax | undefined => {
  const value = node[field]
  return isSyntax(value) ? value : undefined
}

const listIn = (node: Syntax, field: string): Syntax[] => {
  const value = node[field]
  return isList(value) ? value.filter(isSyntax) : []
}

const textIn = (node: Syntax | undefined, field: string): string | undefined => {
  const value = node?.[field]
  return typeof value === 'string' ? value : undefined
}

const line = (node: Syntax): number => node.loc.start.line

// With its extension; or relative without one, where the extension is computed.
const mayNameFile = /\.(ts|tsx|js|mjs)$|^\.{1,2}\/[\w./-]+$/

function isTypeOnly(node: Syntax): boolean {
  if (node.type === 'TSImportType') return true
  return node['importKind'] === 'type' || node['exportKind'] === 'type'
}

function reference(node: Syntax): Reference | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
    case 'ImportExpression':
    case 'TSImportType': {
      const source = nodeIn(node, 'source') ?? nodeIn(node, 'argument')
      const specifier = textIn(source, 'value')
      const kind = node.type === 'ImportExpression' ? 'dynamic' : 'import'
      return specifier === undefined
        ? undefined
        : { specifier, line: line(node), kind, typeOnly: isTypeOnly(node) }
    }
    case 'StringLiteral':
    case 'TemplateElement': {
      const raw = node['value']
      const text = typeof raw === 'string' ? raw : textIn(node, 'cooked')
      const cooked =
        text ?? (typeof raw === 'object' && raw !== null && 'cooked' in raw ? raw.cooked : undefined)
      return typeof cooked === 'string' && mayNameFile.test(cooked)
        ? { specifier: cooked, line: line(node), kind: 'path', typeOnly: false }
        : undefined
    }
    default:
      return undefined
  }
}

const testNames = new Set(['describe', 'it', 'test'])

function callee(statement: Syntax): string | undefined {
  let called = nodeIn(statement, 'expression')
  while (called !== undefined && (called.type === 'CallExpression' || called.type === 'MemberExpression')) {
    called = nodeIn(called, called.type === 'CallExpression' ? 'callee' : 'object')
  }
  return textIn(called, 'name')
}

function functionSize(node: Syntax, parent: Syntax | undefined): FunctionSize | undefined {
  const body = nodeIn(node, 'body')
  if (!/Function|Method/.test(node.type) || body === undefined) return undefined
  const named =
    nodeIn(node, 'id') ?? nodeIn(node, 'key') ?? (parent && (nodeIn(parent, 'id') ?? nodeIn(parent, 'key')))
  return {
    name: textIn(named, 'name') ?? 'a function',
    line: line(node),
    lines: node.loc.end.line - line(node) + 1,
    registersTests: listIn(body, 'body').some(statement => testNames.has(callee(statement) ?? '')),
  }
}

/** A docstring is a `/**` comment that ends right above its declaration. */
function documented(statement: Syntax): boolean {
  const comment = statement.leadingComments?.at(-1)
  return (
    comment?.type === 'CommentBlock' &&
    comment.value.startsWith('*') &&
    comment.loc.end.line === statement.loc.start.line - 1
  )
}

function declaredNames(declaration: Syntax): string[] {
  const own = textIn(nodeIn(declaration, 'id'), 'name')
  if (own !== undefined) return [own]
  return listIn(declaration, 'declarations').flatMap(one => textIn(nodeIn(one, 'id'), 'name') ?? [])
}

function exportsOf(body: readonly Syntax[]): Exported[] {
  const local = new Map(body.flatMap(one => declaredNames(one).map(name => [name, one] as const)))
  const exported: Exported[] = []
  for (const statement of body) {
    if (!/^Export(Named|Default)Declaration$/.test(statement.type)) continue
    const declaration = nodeIn(statement, 'declaration')
    const names = declaration ? declaredNames(declaration) : []
    for (const name of names)
      exported.push({ name, line: line(statement), documented: documented(statement) })
    if (nodeIn(statement, 'source')) continue
    for (const specifier of listIn(statement, 'specifiers')) {
      const name = textIn(nodeIn(specifier, 'local'), 'name')
      const from = name === undefined ? undefined : local.get(name)
      if (name !== undefined && from) exported.push({ name, line: line(from), documented: documented(from) })
    }
  }
  // Overloads are one declaration with one docstring, on the first.
  return exported.filter((one, index) => exported.findIndex(other => other.name === one.name) === index)
}

function unerasable(node: Syntax): Statement | undefined {
  if (node.type === 'TSEnumDeclaration') return { what: 'an enum', line: line(node) }
  if (node.type === 'TSParameterProperty') return { what: 'a parameter property', line: line(node) }
  if (node.type === 'TSModuleDeclaration' && node['declare'] !== true) {
    return { what: 'a namespace', line: line(node) }
  }
  return undefined
}

function effectsOf(body: readonly Syntax[]): Statement[] {
  const inert = /^(Import|Export|Function|Class|Variable|TS)\w*Declaration$|^TS/
  return body
    .filter(statement => !inert.test(statement.type))
    .map(statement => ({ what: statement.type, line: line(statement) }))
}

function present<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value]
}

/** Modules read so far: every rule asks for all of them, and parsing is what takes time. */
const known = new Map<string, { readonly text: string; readonly module: Module }>()

/** Reads one module; throws a SyntaxError that names the place where it is not TypeScript. */
export function readModule(path: string, text: string): Module {
  const before = known.get(path)
  if (before?.text === text) return before.module
  const module = parseModule(path, text)
  known.set(path, { text, module })
  return module
}

function parseModule(path: string, text: string): Module {
  const plugins = path.endsWith('.tsx') ? (['typescript', 'jsx'] as const) : (['typescript'] as const)
  const file = parse(text, {
    sourceType: 'module',
    sourceFilename: path,
    plugins: [...plugins],
    createImportExpressions: true,
  })
  const program: unknown = file.program
  if (!isSyntax(program)) throw new SyntaxError(`${path}: not a program`)
  const body = listIn(program, 'body')
  const nodes = [...walk(program)]
  const first = file.comments?.[0]
  return {
    references: nodes.flatMap(([node]) => present(reference(node))),
    functions: nodes.flatMap(([node, parent]) => present(functionSize(node, parent))),
    exports: exportsOf(body),
    unerasable: nodes.flatMap(([node]) => present(unerasable(node))),
    effects: effectsOf(body),
    head:
      first?.loc && (body[0]?.loc.start.line ?? Infinity) > first.loc.start.line ? first.value : undefined,
  }
}
