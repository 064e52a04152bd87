/**
 * Ring: worker. The workflows as one script, made by Temporal's bundler once per version of their source and kept in the data folder:
 * bundling takes two seconds, reading it back none.
 */
import { bundleWorkflowCode } from '@temporalio/worker'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WORKFLOWS = fileURLToPath(new URL('../workflows/', import.meta.url))
const CONTRACT = fileURLToPath(new URL('../contract/', import.meta.url))
const require = createRequire(import.meta.url)
/** Their spans go to the same trace as those of activities. They add no commands: a history replays with and without them. */
const TRACING = '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors'

/** Path of the bundle, made if it isn't in the folder yet. */
export async function workflowBundle(folder: string, options: { readonly traced: boolean }): Promise<{ readonly codePath: string }> {
  const kind = options.traced ? 'traced-workflows' : 'workflows'
  const codePath = join(folder, `${kind}-${await fingerprint()}.js`)
  if (await stat(codePath).then(() => true, () => false)) return { codePath }
  await mkdir(folder, { recursive: true })
  const { code } = await bundleWorkflows(options)
  const unfinished = `${codePath}.${process.pid}`
  await writeFile(unfinished, code)
  await rename(unfinished, codePath)
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${kind}-`) && name.endsWith('.js') && join(folder, name) !== codePath) await rm(join(folder, name), { force: true })
  }
  return { codePath }
}

/** Bundles the workflows; throws where they import what a workflow can't have. */
export async function bundleWorkflows(options: { readonly traced: boolean }): Promise<{ readonly code: string }> {
  return await bundleWorkflowCode({
    workflowsPath: join(WORKFLOWS, 'all.ts'),
    workflowInterceptorModules: options.traced ? [require.resolve(TRACING)] : [],
    logger: { trace: ignore, debug: ignore, info: ignore, warn: (message) => process.stderr.write(`${message}\n`), error: (message) => process.stderr.write(`${message}\n`), log: ignore },
  })
}

function ignore(): void {
  // the bundler reports each step
}

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256')
  for (const folder of [WORKFLOWS, CONTRACT]) {
    for (const name of (await readdir(folder)).filter((one) => one.endsWith('.ts') && !one.endsWith('.test.ts')).sort()) hash.update(name).update(await readFile(join(folder, name)))
  }
  hash.update(await readFile(fileURLToPath(import.meta.url)))
  hash.update(await readFile(require.resolve('@temporalio/worker/package.json')))
  return hash.digest('hex').slice(0, 16)
}
