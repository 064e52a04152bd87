/** The rings of docs/design/rings.md: a folder may import only what is listed for it. */
const may = {
  nix: [],
  castore: [],
  contract: ['nix', 'castore'],
  eval: ['nix', 'contract'],
  config: ['contract'],
  evaluator: ['nix', 'eval', 'contract', 'config'],
  workflows: ['contract'],
  store: ['castore', 'nix', 'contract', 'config'],
  state: ['contract', 'nix', 'config'],
  fetchers: ['castore', 'nix', 'contract', 'config', 'store'],
  builder: ['castore', 'nix', 'contract', 'config', 'store'],
  activities: ['nix', 'castore', 'eval', 'evaluator', 'contract', 'config', 'state', 'store', 'fetchers', 'builder'],
  api: ['contract', 'config', 'store', 'state', 'nix', 'castore'],
  migrations: [],
  web: ['contract', 'eval', 'nix'],
  worker: ['nix', 'castore', 'eval', 'evaluator', 'contract', 'config', 'workflows', 'state', 'store', 'fetchers', 'builder', 'activities', 'migrations'],
  cli: ['nix', 'castore', 'eval', 'evaluator', 'contract', 'config', 'store', 'fetchers', 'state', 'api', 'worker', 'migrations', 'activities', 'infra'],
}
const PORTABLE = ['nix', 'castore', 'eval', 'contract', 'workflows']
const TEST = '(\\.test\\.ts$|/testing/)'

module.exports = {
  forbidden: [
    ...Object.entries(may).map(([ring, others]) => ({
      name: `ring-${ring}`,
      severity: 'error',
      comment: `${ring}/ may import only ${[...others, 'itself'].join(', ')}`,
      from: { path: `^${ring}/`, pathNot: TEST },
      to: { path: '^[a-z]+/', dependencyTypesNot: ['core'], pathNot: `^(${[ring, ...others, 'node_modules'].join('|')})/` },
    })),
    {
      name: 'portable',
      severity: 'error',
      comment: 'the portable rings import nothing of Node',
      from: { path: `^(${PORTABLE.join('|')})/`, pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'web-evaluator',
      severity: 'error',
      comment: 'of the pages, only the playground brings the evaluator along',
      from: { path: '^web/', pathNot: ['^web/playground/', TEST] },
      to: { path: '^(eval|nix)/' },
    },
    {
      name: 'web-portable',
      severity: 'error',
      comment: 'pages import nothing of Node',
      from: { path: '^web/', pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'no-cycles', severity: 'error', comment: 'no import cycles', from: { pathNot: 'node_modules' }, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
  ],
  options: { exclude: { path: '^web/(dist|\\.dist-)' }, doNotFollow: { path: 'node_modules' }, tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.js', '.json'] } },
}
