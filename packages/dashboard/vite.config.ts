/**
 * Three builds by mode: the page that the daemon serves (`dist/page`, with a manifest); `embed`, the
 * component for React front ends; `standalone`, the same with React inside for any other page (both in
 * `dist/embed`).
 */
import react from '@vitejs/plugin-react'
import { defaultClientConditions, defineConfig } from 'vite'
import type { BuildOptions } from 'vite'

/** The first versions that know `light-dark()`: since May 2024 in all of them. */
const browsers = ['chrome123', 'edge123', 'firefox120', 'safari17.5']

/** The page starts at src/main.tsx, which index.html names. */
const page: BuildOptions = {
  outDir: 'dist/page',
  manifest: 'manifest.json',
  // The favicon stays a file of its own, and the policy needs no data: URLs.
  assetsInlineLimit: 0,
}

const library = (name: string, entry: string): BuildOptions => ({
  outDir: 'dist/embed',
  lib: { entry: { [name]: entry }, formats: ['es'], cssFileName: 'style' },
})

// The schemas of the route table act on import, as far as a bundler can see; nobody here uses them.
const treeshake = { moduleSideEffects: (id: string) => !id.includes('/packages/api/') }

const builds: Readonly<Record<string, BuildOptions>> = {
  // The front end brings its own React: two of them do not work together.
  embed: {
    ...library('index', 'src/index.ts'),
    emptyOutDir: true,
    rolldownOptions: { treeshake, external: /^react(-dom)?($|\/)/ },
  },
  standalone: {
    ...library('standalone', 'src/standalone.tsx'),
    emptyOutDir: false,
    rolldownOptions: { treeshake },
  },
  production: { ...page, emptyOutDir: true, rolldownOptions: { treeshake } },
}

export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
  // The examples import the package by its name and get its sources.
  resolve: { conditions: ['lattice-source', ...defaultClientConditions] },
  define: { 'process.env.NODE_ENV': JSON.stringify('production') },
  build: {
    ...builds[mode],
    target: browsers,
    cssTarget: browsers,
    modulePreload: { polyfill: false },
  },
}))
