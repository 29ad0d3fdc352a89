/** `lattice completion bash|zsh|fish`: completion scripts, written from the commands themselves. */
import { Argument } from 'commander'
import type { Command } from 'commander'

import { exitCodes } from './exit.ts'
import { printJson } from './io.ts'
import type { Register } from './register.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

/** Adds the command. */
export const registerCompletion: Register = (program, { io, run }) => {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'the shell to complete in').choices(shells))
    .description('print a completion script for a shell')
    .option('--json', 'machine-readable answer (lattice.completion/v1)')
    .addHelpText(
      'after',
      '\nExample:\n  $ lattice completion bash > /etc/bash_completion.d/lattice' +
        '\n  $ lattice completion zsh > "${fpath[1]}/_lattice"' +
        '\n  $ lattice completion fish > ~/.config/fish/completions/lattice.fish',
    )
    .action(
      run((shell: Shell, options: { json?: boolean }) => {
        const script = writers[shell](verbsOf(program, []))
        if (options.json === true) printJson(io, { schema: 'lattice.completion/v1', shell, script })
        else io.stdout.write(script)
        return exitCodes.ok
      }),
    )
}

/** A command as a shell sees it. */
interface Verb {
  /** Words that lead to it: none for the program itself. */
  readonly path: readonly string[]
  readonly summary: string
  readonly verbs: readonly string[]
  readonly options: readonly {
    flag: string
    summary: string
    values: readonly string[]
    takesFile: boolean
  }[]
  /** Words its first argument may be. */
  readonly choices: readonly string[]
}

function verbsOf(command: Command, path: readonly string[]): readonly Verb[] {
  const subcommands = command.commands.map(each => each.name())
  const own: Verb = {
    path,
    summary: firstClause(command.description()),
    verbs: subcommands.length === 0 ? [] : [...new Set([...subcommands, 'help'])],
    options: [...command.options, command.createOption('--help', 'show help')].flatMap(option =>
      option.long === undefined || option.hidden
        ? []
        : [
            {
              flag: option.long,
              summary: firstClause(option.description),
              values: option.argChoices ?? [],
              takesFile: /<(file|directory)>/.test(option.flags),
            },
          ],
    ),
    choices: command.registeredArguments[0]?.argChoices ?? [],
  }
  return [own, ...command.commands.flatMap(each => verbsOf(each, [...path, each.name()]))]
}

/** Descriptions stand in quotes of three shells: only what means nothing to any of them is kept. */
function firstClause(text: string): string {
  return text
    .replace(/[;(].*$/s, '')
    .replace(/[^\p{L}\p{N} .,/<>=_-]/gu, '')
    .trim()
}

const words = (verb: Verb): string =>
  [...verb.verbs, ...verb.choices, ...verb.options.map(({ flag }) => flag)].join(' ')

/** Shell cases for the verbs of two words: `config show` sets `command` to both. */
function deepCases(verbs: readonly Verb[]): string {
  return verbs
    .map(({ path }) => path.join(' '))
    .filter(path => path.includes(' '))
    .map(path => `      '${path}') command='${path}' ;;`)
    .join('\n')
}

const writers: Readonly<Record<Shell, (verbs: readonly Verb[]) => string>> = {
  bash: verbs => {
    const valued = new Map(verbs.flatMap(({ options }) => options.map(each => [each.flag, each] as const)))
    const values = [...valued.values()].filter(each => each.values.length > 0)
    const files = [...valued.values()].filter(each => each.takesFile).map(({ flag }) => flag)
    return `# bash completion for lattice
_lattice() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local command=\${COMP_WORDS[1]-} words
  COMPREPLY=()
  case $previous in
${values.map(({ flag, values: list }) => `    ${flag}) COMPREPLY=($(compgen -W '${list.join(' ')}' -- "$current")); return ;;`).join('\n')}
    ${files.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  [ "$COMP_CWORD" -gt 1 ] || command=
  if [ "$COMP_CWORD" -gt 2 ]; then
    case "$command \${COMP_WORDS[2]}" in
${deepCases(verbs)}
    esac
  fi
  case $command in
${verbs.map(verb => `    '${verb.path.join(' ')}') words='${words(verb)}' ;;`).join('\n')}
    *) words= ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _lattice lattice
`
  },
  zsh: verbs => `#compdef lattice
# zsh completion for lattice
_lattice() {
  local command=\${words[2]-}
  local -a found
  if (( CURRENT > 3 )); then
    case "$command \${words[3]}" in
${deepCases(verbs)}
    esac
  fi
  (( CURRENT > 2 )) || command=
  case $command in
${verbs.map(verb => `    '${verb.path.join(' ')}') found=(${zshWords(verb, verbs)}) ;;`).join('\n')}
  esac
  _describe 'lattice' found
  _files
}
compdef _lattice lattice
`,
  fish: verbs =>
    ['# fish completion for lattice', 'complete -c lattice -f']
      .concat(verbs.flatMap(verb => fishLines(verb, verbs)))
      .map(line => `${line}\n`)
      .join(''),
}

function zshWords(verb: Verb, verbs: readonly Verb[]): string {
  const named = verb.verbs.map(name => {
    const summary = verbs.find(({ path }) => path.join(' ') === [...verb.path, name].join(' '))?.summary
    return `'${name}:${summary ?? 'show help'}'`
  })
  const chosen = verb.choices.map(choice => `'${choice}'`)
  const flags = verb.options.map(({ flag, summary }) => `'${flag}:${summary}'`)
  return [...named, ...chosen, ...flags].join(' ')
}

function fishLines(verb: Verb, verbs: readonly Verb[]): readonly string[] {
  const seen = verb.path.map(word => `__fish_seen_subcommand_from ${word}`).join('; and ')
  const when = verb.path.length === 0 ? '__fish_use_subcommand' : seen
  const names = verb.verbs.map(name => {
    const summary = verbs.find(({ path }) => path.join(' ') === [...verb.path, name].join(' '))?.summary
    return `complete -c lattice -n '${when}' -a '${name}' -d '${summary ?? 'show help'}'`
  })
  const chosen = verb.choices.map(choice => `complete -c lattice -n '${when}' -a '${choice}'`)
  const flags = verb.options.map(({ flag, summary, values, takesFile }) => {
    const value = values.length > 0 ? ` -x -a '${values.join(' ')}'` : takesFile ? ' -r -F' : ''
    return `complete -c lattice -n '${when}' -l ${flag.slice(2)} -d '${summary}'${value}`
  })
  return [...names, ...chosen, ...flags]
}
