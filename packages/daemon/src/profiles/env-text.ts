/**
 * An env file for people: sections with a reason, each setting under the words that explain it, settings that
 * wait for a value as comments.
 */
import { writeEnvValue } from '../config/env-file.ts'
import { flagOf, settingNames } from '../config/index.ts'
import type { SettingName } from '../config/index.ts'

/** One setting of a template. */
export interface TemplateLine {
  readonly name: SettingName
  /** Why it is as it is here; wrapped and put above the line. */
  readonly why?: string
  /** What the profile sets. Without it the line is a comment. */
  readonly value?: string
  /** Shown in the comment where there is no value. */
  readonly example?: string
}

/** Lines that belong together. */
export interface TemplateSection {
  readonly title: string
  readonly text?: string
  readonly lines: readonly TemplateLine[]
}

/** Values by setting; they win over those of the template. */
export type Given = Readonly<Partial<Record<SettingName, string>>>

// Comments read well in a terminal of 80 columns.
const commentColumns = 78

/** The file. `heading` says what it is for; `given` that has no line in the template comes at the end. */
export function envText(heading: string, sections: readonly TemplateSection[], given: Given): string {
  const templated = new Set(sections.flatMap(({ lines }) => lines.map(({ name }) => name)))
  const more = settingNames.filter(name => given[name] !== undefined && !templated.has(name))
  const extra: TemplateSection = {
    title: 'More',
    lines: more.map(name => ({ name, why: `as given by ${flagOf(name)}` })),
  }
  const blocks = [...sections, ...(more.length > 0 ? [extra] : [])].map(section =>
    sectionText(section, given),
  )
  return [...comment(heading), ...blocks.map(block => `\n${block}`), ''].join('\n')
}

function sectionText({ title, text, lines }: TemplateSection, given: Given): string {
  const head = [`# --- ${title} ---`, ...(text === undefined ? [] : comment(text))]
  return [...head, ...lines.flatMap(line => lineText(line, given))].join('\n')
}

function lineText({ name, why, value, example }: TemplateLine, given: Given): readonly string[] {
  const chosen = given[name] ?? value
  const words = why === undefined ? [] : ['', ...comment(why)]
  const written =
    chosen === undefined ? `#LATTICE_${name}=${example ?? ''}` : `LATTICE_${name}=${writeEnvValue(chosen)}`
  return [...words, written]
}

function comment(text: string): readonly string[] {
  return text.split('\n').flatMap(paragraph => {
    const lines: string[] = []
    for (const word of paragraph.split(' ')) {
      const last = lines.at(-1)
      if (last === undefined || last.length + word.length + 1 > commentColumns) lines.push(`# ${word}`)
      else lines[lines.length - 1] = `${last} ${word}`
    }
    return lines.map(line => line.trimEnd())
  })
}
