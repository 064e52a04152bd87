/**
 * What a container costs: `node bench/container.ts [BUILDS]`. Builds that do nothing, one after the other, with no inputs and with
 * 300, under each runtime that is installed. The time is that of the driver's `run` and `release`: folders, runtime, log, removal.
 */
import { openTestDriver, fileInput, pathNamed, shellRequest } from '../builder/testing/fixtures.ts'
import { isInstalled } from '../builder/container/runtime.ts'

const builds = Number(process.argv[2] ?? 20)

for (const runtime of ['runc', 'crun'] as const) {
  if (!await isInstalled(runtime)) continue
  const { driver, folder, close } = await openTestDriver({ runtime })
  try {
    const many = Array.from({ length: 300 }, (_, index) => fileInput(folder, pathNamed(`input-${index}`, 'b'), ''))
    for (const inputs of [[], many]) {
      await (await driver.run(shellRequest('', { inputs }))).release()
      const times: number[] = []
      for (let build = 0; build < builds; build++) {
        const started = performance.now()
        await (await driver.run(shellRequest('', { inputs }))).release()
        times.push(performance.now() - started)
      }
      times.sort((left, right) => left - right)
      console.log(`${runtime}, ${inputs.length} inputs: median ${times[Math.floor(builds / 2)]!.toFixed(1)} ms, best ${times[0]!.toFixed(1)} ms`)
    }
  } finally {
    await close()
  }
}
