/** The workflows of .github: whatever they run is there, and the plan of the Space's roll-out is one. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, it } from '@jest/globals'
import { parse } from 'yaml'

const checkout = join(import.meta.dirname, '../../..')

interface Step {
  readonly name?: string
  readonly run?: string
}

function stepsOf(name: string): readonly Step[] {
  const text = fs.readFileSync(join(checkout, '.github/workflows', name), 'utf8')
  const { jobs } = parse(text) as { jobs: Record<string, { steps: readonly Step[] }> }
  return Object.values(jobs).flatMap(({ steps }) => steps)
}

it('the workflow of the Space makes a plan that the roll-out takes: gate, others that must agree, way back', () => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'lattice-workflow-'))
  try {
    fs.mkdirSync(join(directory, 'artefacts'))
    const steps = stepsOf('space.yml')
    const env = {
      PATH: process.env['PATH'],
      HF_SPACE: 'org/node1',
      HF_URL: 'https://org-node1.hf.space',
      LATTICE_OTHERS: 'https://a.example/, https://b.example',
    }
    const script = steps.find(({ name }) => name === 'Plan')?.run ?? ''
    execFileSync('bash', ['--norc', '-euo', 'pipefail', '-c', script], { cwd: directory, env })
    const read = `import { readPlan, urlsOf } from '${checkout}/deploy/scripts/plan.ts'
      const plan = readPlan('artefacts/plan.json')
      console.log(JSON.stringify({ plan, urls: urlsOf(plan) }))`
    const answer = execFileSync(process.execPath, ['--input-type=module', '-e', read], {
      cwd: directory,
      encoding: 'utf8',
    })
    expect(JSON.parse(answer)).toMatchObject({
      plan: { nodes: [{ kind: 'space', remote: 'https://huggingface.co/spaces/org/node1' }] },
      urls: ['https://org-node1.hf.space', 'https://a.example', 'https://b.example'],
    })
    expect(steps.at(-1)?.run).toBe(
      'node deploy/scripts/rollout.ts artefacts/plan.json --release artefacts/release',
    )
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
})

it('the scripts that workflows run are in the repository', () => {
  const scripts = (JSON.parse(fs.readFileSync(join(checkout, 'package.json'), 'utf8')) as { scripts: object })
    .scripts
  for (const file of fs.readdirSync(join(checkout, '.github/workflows')))
    for (const { run = '' } of stepsOf(file)) {
      execFileSync('bash', ['-n', '-c', run])
      for (const [, name = ''] of run.matchAll(/npm run (\S+)/g)) expect(scripts).toHaveProperty([name])
      for (const [, path = ''] of run.matchAll(/^(?:node )?((?:deploy|scripts|\.ci)\/\S+)/gm))
        expect([path, fs.existsSync(join(checkout, path))]).toEqual([path, true])
    }
})
